"""Which function shows which record, in which form: data only, so that looking it up costs nothing."""

from __future__ import annotations

__all__ = ["RENDERERS"]

RENDERERS = {
    ("EmbeddingMap", "figure"): "embedding_map_picture:map_figure",
    ("EmbeddingMap", "page"): "embedding_map_page:map_page",
    ("ImageSet", "html"): "image_set_html:image_sets_html",
    ("NetworkSummary", "html"): "summary_html:summary_html",
    ("NetworkSummary", "text"): "summary_text:summary_text",
    ("Recipe", "html"): "recipe_html:recipe_html",
    ("Run", "html"): "run_html:run_html",
    ("Run", "studio"): "convnets.studio.notebook:studio_frame",
    ("Scatter", "picture"): "scatter_chart:write_scatter",
    ("Splits", "html"): "image_set_html:image_sets_html",
    ("Standings", "text"): "standings_table:standings_text",
    ("TrainConfig", "html"): "config_html:config_html",
    ("TrainedModel", "html"): "model_html:model_html",
}
"""Class name and form → `module:function` of this folder, or with a whole path.

`core.display.renderers.renderer` reads it.
"""

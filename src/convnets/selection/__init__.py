"""Floor 8: choosing well. Folds, label errors, comparison with error bars, calibration, robustness, search.

`statistics/` says how sure a figure is; the other rooms make the figures.
"""

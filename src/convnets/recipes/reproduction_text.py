"""The tables of a reproduction, for terminals and as Markdown: ours over seeds, the notes', the book's builds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convnets.core.display.text_table import aligned
from convnets.recipes.reproduction import NetworkResult, Reproduction, Spread
from convnets.recipes.reproduction_plan import DATA

__all__ = ["CONVENTIONS", "accuracy_table", "conditions", "markdown", "speed_table", "terminal_text"]

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def accuracy_table(found: Reproduction) -> Table:
    """Header and a row for each network: its recipe, what ours reached, what the notes and the book's builds did."""
    header = (
        *("network", "input", "batch", "rate", "epochs", "seeds", "loss", "train acc", "test acc", "min–max"),
        *("notes: loss, train, test", "book: min / median / max", "mean within"),
    )
    return header, [_accuracy_row(each) for each in found.networks]


def _accuracy_row(each: NetworkResult) -> tuple[str, ...]:
    config, notes, accuracy = each.config, each.published.notes, each.spread("test_accuracy")
    book = each.published.book
    return (
        _named(each),
        str(config.size),
        str(config.batch_size),
        f"{config.learning_rate:g}",
        epochs_in_words(each),
        str(len(each.ended)),
        _mean(each.spread("loss")),
        _mean(each.spread("train_accuracy")),
        _mean(accuracy),
        _range(accuracy),
        "–" if notes is None else f"{notes.loss:.3f}, {notes.train_accuracy:.3f}, {notes.test_accuracy:.3f}",
        "; ".join(
            f"{builds.minimum:.3f} / {builds.median:.3f} / {builds.maximum:.3f}"
            + (f" ({builds.name})" if len(book) > 1 else "")
            for builds in book
        ),
        "; ".join(map(_yes, each.within())) if each.comparable else "–",
    )


def epochs_in_words(each: NetworkResult) -> str:
    """Epochs of the runs, beside the recipe's where they are others."""
    same = each.config.epochs == each.recipe_epochs
    return str(each.config.epochs) if same else f"{each.config.epochs} of {each.recipe_epochs}"


def speed_table(found: Reproduction) -> Table:
    """Header and a row for each network: images per second by both measures, and those that were published."""
    header = ("network", "steps alone", "wall clock", "a run", "notes: steps", "book: steps, V100")
    return header, [_speed_row(each) for each in found.networks]


def _speed_row(each: NetworkResult) -> tuple[str, ...]:
    notes, book, seconds = each.published.notes, each.published.book, each.spread("seconds")
    return (
        each.network,
        _median(each.spread("images_per_second")),
        _median(each.spread("images_per_second_wall")),
        "–" if seconds is None else f"{_figures(seconds.median)} s",
        "–" if notes is None else f"{notes.images_per_second:,.0f}",
        "; ".join(
            f"{builds.images_per_second:,.0f}" + (f" ({builds.name})" if len(book) > 1 else "")
            for builds in book
        ),
    )


CONVENTIONS = (
    "Ours: mean ± standard deviation over seeds. Loss and training accuracy are means over the last epoch while it "
    "trains, as the book prints them; the test set is evaluated once, after the last epoch, which is the one that the "
    "book prints.",
    "Images a second are medians over seeds. Steps alone: without waiting for data and without evaluation, the book's "
    "measure. Wall clock: data, steps and saving.",
    "The notes print one run. The book's builds are one seed each, on an NVIDIA V100. Mean within: whether our mean "
    "lies from their smallest to their largest test accuracy.",
)
"""What the columns mean."""


def conditions(found: Reproduction) -> list[str]:
    """What is not as the published runs are, what is missing, and the machines, versions, days and commands."""
    shorter = [each for each in found.networks if each.config.epochs != each.recipe_epochs]
    elsewhere = [each for each in found.networks if each.data != DATA]
    unfinished = [
        f"{run.name} ({run.status}, {run.epochs_done} of {each.config.epochs} epochs)"
        for each in found.networks
        for run in each.runs
        if not run.ended
    ]
    lines = []
    if shorter:
        named = ", ".join(f"{each.network} {epochs_in_words(each)} epochs" for each in shorter)
        lines.append(f"Not to be set against the published figures: {named}.")
    if elsewhere:
        named = ", ".join(f"{each.network} on {each.data}" for each in elsewhere)
        lines.append(f"Not on Fashion-MNIST, which the published figures are of: {named}.")
    if unfinished:
        lines.append(f"Not in the figures: {', '.join(unfinished)}.")
    environments = found.environments()
    for known, names in environments:
        whose = f"{_in_short(names)}: " if len(environments) > 1 else ""
        lines.append(whose + _machine(known))
    days = found.dates()
    if days is not None:
        when = days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"
        lines.append(f"Started {when}: {', '.join(f'`{command}`' for command in found.commands())}.")
    return lines


def _in_short(runs: Sequence[str]) -> str:
    """lenet-0, lenet-1, lenet-2, nin-1 → "lenet (seeds 0 to 2), nin (seed 1)"."""
    seeds: dict[str, list[int]] = {}
    for run in runs:
        network, _, seed = run.rpartition("-")
        seeds.setdefault(network, []).append(int(seed))
    return ", ".join(f"{network} ({_seeds(sorted(own))})" for network, own in seeds.items())


def _seeds(seeds: list[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if seeds[-1] - seeds[0] == len(seeds) - 1 > 1:
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def _machine(known: dict[str, Any]) -> str:
    versions = known.get("versions") or {}
    named = [
        f"{title} {versions[key]}"
        for title, key in (
            ("Python", "python"),
            ("PyTorch", "torch"),
            ("NumPy", "numpy"),
            ("convnets", "convnets"),
        )
        if key in versions
    ]
    cores = f"{known['cores']} core{'s' * (known['cores'] != 1)}"
    machine = f"{known['hardware']}; processor {known['processor']}, {cores}"
    return f"{machine}; {', '.join(named)}; {known['platform']}."


def terminal_text(found: Reproduction) -> str:
    """What matters most in one table, a line for each kind of builds; empty where no run is there."""
    if not found.networks:
        return ""
    header = (
        *("network", "epochs", "seeds", "test acc", "min–max", "notes", "book: min/median/max", "within"),
        *("images/s", "wall clock"),
    )
    rows = [row for each in found.networks for row in _terminal_rows(each)]
    return aligned(header, rows, right=(1, 2, 3, 4, 5, 8, 9))


def _terminal_rows(each: NetworkResult) -> list[tuple[str, ...]]:
    accuracy, notes = each.spread("test_accuracy"), each.published.notes
    own = (
        _named(each),
        epochs_in_words(each),
        str(len(each.ended)),
        _mean(accuracy),
        _range(accuracy),
        "–" if notes is None else f"{notes.test_accuracy:.3f}",
    )
    speeds = _median(each.spread("images_per_second")), _median(each.spread("images_per_second_wall"))
    rows: list[tuple[str, ...]] = []
    for builds, inside in zip(each.published.book, each.within(), strict=True):
        figures = f"{builds.minimum:.3f}/{builds.median:.3f}/{builds.maximum:.3f} {builds.name}".rstrip()
        first = not rows
        rows.append(
            (*(own if first else [""] * len(own)), figures, _yes(inside), *(speeds if first else ("", "")))
        )
    return rows


def markdown(found: Reproduction) -> str:
    """A page without a heading of its own, to stand alone or under one."""
    parts = []
    if any(each.ended for each in found.networks):
        parts.append(
            "![test accuracy by network: the book's builds, the notes, ours over seeds](reproduction.svg)"
        )
    parts += [
        _markdown_table(*accuracy_table(found), right=range(1, 10)),
        "Images per second:",
        _markdown_table(*speed_table(found), right=range(1, 5)),
        "\n".join(f"- {line}" for line in (*CONVENTIONS, *conditions(found))),
    ]
    return "\n\n".join(parts) + "\n"


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    rule = ["--:" if column in right else "---" for column in range(len(header))]
    lines = [header, rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _named(each: NetworkResult) -> str:
    return each.network + ("" if each.data == DATA else f" ({each.data})")


def _yes(truth: bool | None) -> str:
    return "–" if truth is None else "yes" if truth else "no"


def _range(spread: Spread | None) -> str:
    return "–" if spread is None else f"{min(spread.values):.3f}–{max(spread.values):.3f}"


def _mean(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    deviation = spread.standard_deviation
    return f"{spread.mean:.3f}" + ("" if deviation is None else f" ± {deviation:.3f}")


def _median(spread: Spread | None) -> str:
    return "–" if spread is None else _figures(spread.median)


def _figures(value: float) -> str:
    """Three figures."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"

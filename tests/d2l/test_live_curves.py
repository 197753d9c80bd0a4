"""Boards and animators as readers ask and change them, outside of the listings."""

from __future__ import annotations

import copy
import pickle

import pytest

from convnets import d2l
from convnets.d2l.live_curves import Point


def test_a_board_has_points_with_names_and_the_values_that_wait() -> None:
    board = d2l.ProgressBoard("x", display=False)
    for x in range(5):
        board.draw(x, 10 * x, "val_loss", every_n=2)
    board.draw(0, 1, "waiting", every_n=9)
    assert (board.data["val_loss"][-1].x, board.data["val_loss"][-1].y) == (2.5, 25.0)
    assert board.raw_points == {"val_loss": [(4, 40)], "waiting": [(0, 1)]}
    assert board.raw_points["val_loss"][0].y == 40
    assert board.data["waiting"] == []
    assert isinstance(board, d2l.HyperParameters)
    assert (board.hparams["xlabel"], board.hparams["display"]) == ("x", False)
    assert set(board.hparams) == {
        *("xlabel", "ylabel", "xlim", "ylim", "xscale", "yscale"),
        *("ls", "colors", "fig", "axes", "figsize", "display"),
    }


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda board: pickle.loads(pickle.dumps(board))])
def test_a_copied_board_has_the_points_and_a_figure_of_its_own(copied: object) -> None:
    _, axes = d2l.plt.subplots()
    board = d2l.ProgressBoard("x", axes=axes)
    board.draw(1, 2, "loss")
    other = copied(board)  # type: ignore[operator]
    other.draw(3, 4, "loss")
    assert (board.data["loss"], other.data["loss"]) == ([Point(1, 2)], [Point(1, 2), Point(3, 4)])
    assert other.fig is not board.fig
    assert other.hparams["axes"] is None


def test_config_axes_sets_labels_and_limits_and_may_be_replaced() -> None:
    animator = d2l.Animator(xlabel="epoch", xlim=[1, 10], yscale="log", legend=["a", "b", "c"])
    axes = animator.axes[0]
    axes.cla()
    animator.config_axes()
    assert (axes.get_xlabel(), axes.get_xlim(), axes.get_yscale()) == ("epoch", (1, 10), "log")
    animator.config_axes = lambda: axes.set_xlabel("step") and None
    animator.add(1, (1, 2))
    assert axes.get_xlabel() == "step"


def test_an_animator_draws_all_points_again_where_the_reader_has_cleared_its_axes() -> None:
    animator = d2l.Animator(xlabel="epoch", legend=["a", "b"])
    animator.add(1, (1, 2))
    animator.axes[0].cla()
    animator.add(2, (3, None))
    drawn = [[list(line.get_xdata()), list(line.get_ydata())] for line in animator.axes[0].lines]
    assert drawn == [[[1, 2], [1, 3]], [[1], [2]]]
    assert animator.axes[0].get_xlabel() == "epoch"
    assert [text.get_text() for text in animator.axes[0].get_legend().get_texts()] == ["a", "b"]

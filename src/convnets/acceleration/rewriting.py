"""Small steps of rewriting a traced graph."""

from __future__ import annotations

from torch import fx, nn

__all__ = ["modules_of", "only_user", "put_in_place"]


def modules_of(graph: fx.GraphModule) -> dict[str, nn.Module]:
    """All modules by the names that nodes call them by; a shared one has several."""
    return dict(graph.named_modules(remove_duplicate=False))


def only_user(node: fx.Node) -> fx.Node | None:
    """The one node that uses the result of `node`, or None where there are more or none."""
    return next(iter(node.users)) if len(node.users) == 1 else None


def put_in_place(
    graph: fx.GraphModule,
    nodes: list[fx.Node],
    name: str,
    step: nn.Module,
    inputs: tuple[fx.node.Argument, ...],
) -> None:
    """One call of `step` on `inputs` in the place of `nodes`, which follow one another."""
    graph.add_submodule(name, step)
    with graph.graph.inserting_before(nodes[-1]):
        call = graph.graph.call_module(name, inputs)
    nodes[-1].replace_all_uses_with(call)
    for node in reversed(nodes):
        graph.graph.erase_node(node)

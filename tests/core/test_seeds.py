"""Seeds depend on everything they are made from, and on nothing else."""

from __future__ import annotations

import torch

from convnets.core.seeds import derive_seed, generator_for, seed_device


def test_every_part_of_the_purpose_matters() -> None:
    seeds = {
        derive_seed(seed, what, epoch, step)
        for seed in range(4)
        for what in ("order", "augment")
        for epoch in range(10)
        for step in range(50)
    }
    assert len(seeds) == 4 * 2 * 10 * 50
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_known_value_so_that_old_runs_stay_reproducible() -> None:
    assert derive_seed(0, "order", 0) == 1829853113658518448
    assert derive_seed(123, "step", 4, 5) == 4492197141465147992


def test_generators_are_fresh_each_time() -> None:
    first, second = (torch.rand(5, generator=generator_for(1, "x")) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(5, generator=generator_for(2, "x")))


def test_seeding_a_device_is_what_pytorch_does() -> None:
    torch.manual_seed(2**40 + 5)
    theirs = torch.rand(7)
    seed_device(2**40 + 5, torch.device("cpu"))
    assert torch.equal(torch.rand(7), theirs)

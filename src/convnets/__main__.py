"""`python -m convnets`: the same as the `convnets` command."""

from convnets.cli.main import run

if __name__ == "__main__":
    run()

"""LitServe answering for the same model, for `serve.py --litserve`: its dynamic batching, plain PyTorch.

Usage: python benchmarks/serve_litserve.py RUN --port N

Decoding is that of `convnets serve` (`Predictor.decode`), one worker process, batches of up to 64. The network is the
model's own in evaluation mode under `inference_mode`, as LitServe's documentation writes it.

Annotations are no strings here: LitServe looks at the type of a request to know how to read it.
"""

import argparse
from typing import Any

import litserve
import torch
from starlette.requests import Request

from convnets.checkpoints.model_source import open_model
from convnets.serving.predictor import Predictor


class Classes(litserve.LitAPI):
    """Pictures → the five best classes."""

    def __init__(self, run: str, threads: int, batch: int) -> None:
        super().__init__(max_batch_size=batch)
        self.run, self.threads = run, threads

    def setup(self, device: str) -> None:
        assert device == "cpu"
        torch.set_num_threads(self.threads)
        trained = open_model(self.run)
        self.predictor = Predictor(trained)
        self.network = trained.network.eval()

    def decode_request(self, request: Request) -> torch.Tensor:
        content: Any = request["pictures"].file.read()
        return self.predictor.decode(content, "picture")

    def batch(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(inputs)

    @torch.inference_mode()
    def predict(self, x: torch.Tensor) -> torch.Tensor:
        many = x if x.ndim == 4 else x[None]
        found = self.network(self.predictor.preprocess(many)).softmax(1)
        return found if x.ndim == 4 else found[0]

    def unbatch(self, output: torch.Tensor) -> list[torch.Tensor]:
        return list(output)

    def encode_response(self, output: torch.Tensor) -> dict[str, Any]:
        values, places = output.topk(min(5, len(output)))
        return {
            "top": [
                {"label": self.predictor.classes[place], "confidence": value}
                for value, place in zip(values.tolist(), places.tolist(), strict=True)
            ]
        }


def main() -> None:
    """Answer until ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    given = parser.parse_args()
    server = litserve.LitServer(
        Classes(given.run, given.threads, given.batch), accelerator="cpu", workers_per_device=1, timeout=60
    )
    server.run(port=given.port, host="127.0.0.1", log_level="error", generate_client_file=False)


if __name__ == "__main__":
    main()

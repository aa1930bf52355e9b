"""Fits a line: a training script such as a tenant's, with PyTorch where it is there, else with NumPy."""

import sys

import pogw

STEPS = 20


def with_torch() -> None:
    import torch

    torch.manual_seed(1)
    x = torch.linspace(0, 1, 64)
    y = 3 * x + 1
    model = torch.nn.Linear(1, 1)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    with pogw.work("job.json", required=True) as w:
        for step in range(STEPS):
            loss = torch.nn.functional.mse_loss(model(x[:, None])[:, 0], y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            w.mark(step, "weight", model.weight)
        w.output("model.bin", torch.cat([model.weight.flatten(), model.bias]))
    print(f"loss {loss.item():.6f}")


def with_numpy() -> None:
    import numpy as np

    x = np.linspace(0, 1, 64, dtype=np.float32)
    y = 3 * x + 1
    model = np.zeros(2, dtype=np.float32)
    with pogw.work("job.json", required=True) as w:
        for step in range(STEPS):
            error = model[0] * x + model[1] - y
            model -= np.float32(0.5) * np.array([(2 * error * x).mean(), (2 * error).mean()], dtype=np.float32)
            w.mark(step, "weight", model)
        w.output("model.bin", model)
    print(f"loss {(error**2).mean():.6f}")


if __name__ == "__main__":
    with_torch() if sys.argv[1:] == ["--torch"] else with_numpy()

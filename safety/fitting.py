"""Fitting of small heads: a perceptron by AdamW, and the temperature of its probabilities.

Knows features and labels only, never where they come from. Needs torch, and only when called.
"""

import numpy as np

from safety.heads import Array, Head


def fit(
    name: str, features: str, x: Array, y: Array, weight: Array | None = None, *, hidden: int = 32, epochs: int = 40,
    dropout: float = 0.2, decay: float = 0.05, seed: int = 0,
) -> Head:  # fmt: skip
    """Return a head with one hidden ReLU layer fitted to rows `x` (n, width) and targets `y` (n,) in [0, 1].

    Each row counts `weight` times (n,). AdamW with a cosine schedule (Loshchilov and Hutter 2017, 2019) over
    batches of 256, a fixed number of epochs, the same numbers for the same seed on the same machine.
    """
    import torch

    torch.manual_seed(seed)
    mean, scale = x.mean(0), x.std(0) + 1e-3
    inputs, targets = torch.from_numpy((x - mean) / scale).float(), torch.from_numpy(y).float()
    weights = torch.ones(len(x)) if weight is None else torch.from_numpy(weight / weight.mean()).float()
    net = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], hidden),
        torch.nn.ReLU(),
        torch.nn.Dropout(dropout),
        torch.nn.Linear(hidden, 1),
    )
    batches = -(-len(x) // 256)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(x)), 256):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                net(inputs[rows])[:, 0], targets[rows], weights[rows]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    first_w, first_b, last_w, last_b = (part.detach().numpy().astype(np.float32) for part in net.parameters())
    layers = ((first_w.T.copy(), first_b), (last_w.T.copy(), last_b))
    return Head(name, features, mean.astype(np.float32), scale.astype(np.float32), layers)


def temperature(head: Head, x: Array, y: Array) -> float:
    """Return the temperature at which the head's cross-entropy on held-out rows is least (Guo et al. 2017)."""
    probability = head(x).clip(1e-6, 1 - 1e-6)
    logit = np.log(probability / (1 - probability)) * head.temperature
    grid = np.geomspace(0.25, 4.0, 81)
    losses = [float(np.mean(np.logaddexp(0, -logit * (2 * y - 1) / t))) for t in grid]
    return float(grid[int(np.argmin(losses))])

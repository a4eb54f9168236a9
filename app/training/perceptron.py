"""The fit of a small head on features: AdamW, dropout, soft targets, weighted rows, and its temperature."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dialogue.judges.heads import Array, Head

EPOCHS, BATCH = 30, 256
GROUPS = 32  # of rows to choose among, in a batch
LINEAR_EPOCHS = 12  # a regression on few rows gets few steps
STEPS = 1500  # of a logistic regression without negative weights
EQUAL = 0.4  # what each is drawn to
TEMPERATURES = np.linspace(0.5, 3.0, 51)


def fit(name: str, features: str, x: Array, y: Array, weight: Array, hidden: int, seed: int) -> Head:
    """Return a head fitted on rows `x` (n, inputs) to targets `y` (n,) in [0, 1], each row counted `weight` (n,) times.

    A perceptron with `hidden` units, or a logistic regression when there are none. Temperature and threshold are left
    as they are in a new head.
    """
    import torch

    torch.manual_seed(seed)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    inputs = torch.from_numpy(((x - mean) / scale).astype(np.float32))
    targets = torch.from_numpy(y.astype(np.float32))
    weights = torch.from_numpy((weight / weight.mean()).astype(np.float32))
    first = torch.nn.Linear(x.shape[1], hidden or 1)
    deep = (torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(hidden, 1)) if hidden else ()
    net = torch.nn.Sequential(first, *deep)
    epochs, rate, decay = (EPOCHS, 3e-3, 0.05) if hidden else (LINEAR_EPOCHS, 2e-2, 0.1)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * -(-len(x) // BATCH))
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            batch = order[start : start + BATCH]
            logit = net(inputs[batch])[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, targets[batch], weights[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    found = [tensor.detach().numpy().astype(np.float32) for tensor in net.parameters()]
    layers = tuple((weights.T.copy(), bias) for weights, bias in zip(found[::2], found[1::2], strict=True))
    return Head(name, features, mean.astype(np.float32), scale.astype(np.float32), layers)


def tempered(head: Head, x: Array, y: Array, weight: Array) -> Head:
    """Return the head with the temperature of least log loss on rows it was not fitted on (Guo et al. 2017)."""

    def loss(temperature: float) -> float:
        p = replace(head, temperature=temperature)(x).clip(1e-6, 1 - 1e-6)
        return float(-(weight * (y * np.log(p) + (1 - y) * np.log(1 - p))).sum())

    return replace(head, temperature=float(min(TEMPERATURES.tolist(), key=loss)))


def fit_choice(
    name: str, features: str, groups: Sequence[tuple[Array, Array]], hidden: int, seed: int, epochs: int = 12
) -> Head:
    """Return a head whose logits choose among the rows of a group, fitted to (rows (n, inputs), shares (n,)).

    The loss is the cross-entropy of the shares, which sum to 1, and the softmax over the group (Cao et al. 2007).
    """
    import torch

    torch.manual_seed(seed)
    x = np.concatenate([rows for rows, _ in groups])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-2
    net = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], hidden), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(hidden, 1)
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    steps = epochs * -(-len(groups) // GROUPS)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    inputs = [torch.from_numpy((rows - mean) / scale) for rows, _ in groups]
    shares = [torch.from_numpy(wanted) for _, wanted in groups]
    for _ in range(epochs):
        order = torch.randperm(len(groups)).tolist()
        for start in range(0, len(order), GROUPS):
            batch = order[start : start + GROUPS]
            logits = net(torch.cat([inputs[at] for at in batch]))[:, 0].split([len(inputs[at]) for at in batch])
            losses = [-(shares[at] * row.log_softmax(0)).sum() for at, row in zip(batch, logits, strict=True)]
            optimiser.zero_grad()
            torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    found = [tensor.detach().numpy().astype(np.float32) for tensor in net.parameters()]
    layers = tuple((weights.T.copy(), bias) for weights, bias in zip(found[::2], found[1::2], strict=True))
    return Head(name, features, mean.astype(np.float32), scale.astype(np.float32), layers)


def fit_monotone(name: str, features: str, x: Array, y: NDArray[np.bool_], sources: Sequence[str], pull: float) -> Head:
    """Return a logistic regression on rows `x` (n, inputs) in which no weight is negative, by projected descent.

    Every source has a bias of its own while the weights are learnt, so that only what tells its rows apart counts, and
    its two classes weigh alike; then one bias is set for all. Weights are drawn to EQUAL per standard
    deviation, by the strength `pull`.
    """
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    inputs, known = (x - mean) / scale, sorted(set(sources))
    place = np.asarray([known.index(source) for source in sources])
    share = np.zeros(len(y))
    for at in range(len(known)):
        for label in (True, False):
            here = (place == at) & (y == label)
            share[here] = 0.5 / max(1, here.sum()) / len(known)
    weights, biases = np.full(x.shape[1], EQUAL), np.zeros(len(known))
    for _ in range(STEPS):
        wrong = share * (_sigmoid(inputs @ weights + biases[place]) - y)
        weights = np.maximum(weights - (inputs.T @ wrong + pull * (weights - EQUAL)), 0)
        biases -= len(known) * np.bincount(place, wrong, len(known))
    bias = 0.0
    for _ in range(STEPS):
        bias -= 4 * float((share * (_sigmoid(inputs @ weights + bias) - y)).sum())
    layer = (weights[:, None].astype(np.float32), np.asarray([bias], np.float32))
    return Head(name, features, mean.astype(np.float32), scale.astype(np.float32), (layer,))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x.clip(-30, 30))))

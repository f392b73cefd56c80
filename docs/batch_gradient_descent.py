"""Batch gradient descent on J(t1, t2) = t1**2 + t2**2: the gradient of all there is, step after step."""

import numpy as np

import fastloa as fl


def value_and_grad(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """J and its gradient; the gradient of a sum of squares against 0 is 2 theta."""
    return fl.mse_loss.value_and_grad(theta, np.zeros_like(theta), reduction="sum")


def main() -> fl.training.Result:
    """Descend from (3, -2) until the gradient is almost zero."""
    theta = np.array([3.0, -2.0])
    path = [theta.copy()]
    result = fl.minimize(
        value_and_grad,
        theta,
        optimizer=fl.SGD(theta, lr=0.1),
        stop=[fl.stopping.grad_norm(1e-6)],
        callback=lambda state: path.append(state.params.copy()),
    )
    for step, (t1, t2) in list(enumerate(path))[::10]:
        print(f"step {step:3d}: theta = ({t1: .6f}, {t2: .6f})")
    print(f"stopped after {result.steps} steps: {result.reason}")
    return result


if __name__ == "__main__":
    main()

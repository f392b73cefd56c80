"""The lecture's minibatch algorithm on a least-squares problem.

Choose learning rates eps_1, eps_2, … and an initial theta. Repeat: draw a minibatch, take the gradient of its loss,
step against it; until a stopping criterion holds.
"""

import numpy as np

import fastloa as fl


def problem(rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Noisy measurements of a linear function with the weights (2, -1, 0.5)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 3))
    return x, x @ np.array([2.0, -1.0, 0.5]) + 0.1 * rng.standard_normal(rows)


def value_and_grad(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean squared error of the minibatch, and its gradient by the chain rule."""
    value, residual = fl.mse_loss.value_and_grad(x @ theta, y)
    return value, x.T @ residual


def main() -> fl.training.Result:
    """Learn theta; the rates fall like 1 / t, so that the noise of the minibatches averages out."""
    x, y = problem()
    theta = np.zeros(3)
    result = fl.minimize(
        value_and_grad,
        theta,
        optimizer=fl.SGD(theta, lr=fl.schedules.inverse_time(0.2, decay_rate=0.02)),
        data=fl.minibatches(x, y, batch_size=32, rng=0),
        epochs=200,
        stop=[fl.stopping.max_steps(5000)],
    )
    print(f"theta = {theta.round(4)} after {result.steps} steps: {result.reason}")
    return result


if __name__ == "__main__":
    main()

"""A thin neural-net layer on `autograd`: modules, losses, optimizers and the training loop.

>>> from nn import MLP, SGD, cross_entropy, fit
>>> from nn.data import load, train_test_split
>>> x_train, x_test, y_train, y_test = train_test_split(*load("iris"), seed=0)
>>> model = MLP(4, [16, 3], rng=0)
>>> optimizer = SGD(model, lr=0.02, momentum=0.9)
>>> history = fit(model, cross_entropy, optimizer, (x_train, y_train), 40, progress=False)
>>> history.accuracy[-1] > 0.9
True

Data are in `nn.data`, the confusion matrix in `nn.metrics`, plots in `nn.plots`, and what a
learning rate does in `nn.lab`.
"""

from nn.checkpoint import Checkpoints, load_weights, save_weights
from nn.history import Epoch, History, print_epochs
from nn.layers import (
    ELU,
    GELU,
    MLP,
    Dropout,
    Embedding,
    Identity,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    Neuron,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    zeros,
)
from nn.losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    l1_loss,
    mse_loss,
)
from nn.module import Module
from nn.optim import SGD, Adam, AdamW, Optimizer, RMSprop, clip_by_norm, clip_by_value
from nn.rates import RateSearch, find_learning_rate
from nn.schedules import (
    Chained,
    CosineDecay,
    ExponentialDecay,
    OneCycle,
    ReduceOnPlateau,
    Scheduler,
    StepDecay,
    WarmUp,
)
from nn.steps import evaluate
from nn.training import fit

__all__ = [
    # modules
    "Module",
    "Sequential",
    "Linear",
    "MLP",
    "Dropout",
    "Embedding",
    "LayerNorm",
    "Residual",
    # modules of Values
    "Neuron",
    "Layer",
    # activations
    "ELU",
    "GELU",
    "Identity",
    "LeakyReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    # first weights
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "zeros",
    # losses
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    # training
    "Optimizer",
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "clip_by_norm",
    "clip_by_value",
    # schedules
    "Chained",
    "CosineDecay",
    "ExponentialDecay",
    "OneCycle",
    "ReduceOnPlateau",
    "Scheduler",
    "StepDecay",
    "WarmUp",
    # the loop
    "Epoch",
    "History",
    "RateSearch",
    "evaluate",
    "find_learning_rate",
    "fit",
    "print_epochs",
    # files
    "Checkpoints",
    "load_weights",
    "save_weights",
]

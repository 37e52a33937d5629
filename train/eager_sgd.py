"""The optimiser of training: torch's SGD, without loading torch's compiler, which takes as long as loading torch itself."""

from inspect import unwrap

import torch


class EagerSGD(torch.optim.SGD):
    """SGD with the numbers and the state of `torch.optim.SGD`.

    torch decorates these methods, so that `torch.compile` leaves them out of a graph; the decorators import
    torch._dynamo on the first call. Training compiles the network alone, never the optimiser.
    """

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))
    zero_grad = unwrap(torch.optim.SGD.zero_grad)
    add_param_group = unwrap(torch.optim.SGD.add_param_group)
    state_dict = unwrap(torch.optim.SGD.state_dict)
    load_state_dict = unwrap(torch.optim.SGD.load_state_dict)

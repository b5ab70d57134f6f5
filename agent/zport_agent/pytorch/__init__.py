"""PyTorch's files and import, where PyTorch as it is reads wrong or takes too long."""

"""Makes model files: architectures in code, and ONNX's light test networks, with seeded weights.

It runs where images are built, at native speed, never in an agent image: it needs the onnx
package, and PyTorch for PyTorch's files. The same arguments give the same numbers on every machine,
because the weights come from integers and correctly rounded arithmetic alone and are stored
little-endian; with the same versions of onnx and protobuf they give the same bytes.
"""

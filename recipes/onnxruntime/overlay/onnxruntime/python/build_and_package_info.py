# What upstream's setup.py writes; without it the package warns at import.
package_name = "onnxruntime"
__version__ = "1.21.0"

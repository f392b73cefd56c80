"""The CUDA C++ engine: skeletons in ``.cuh`` files, formulas emitted from their Python source, launched by CuPy."""

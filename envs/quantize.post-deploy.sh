pip install --no-compile --no-deps --requirement envs/quantize-cuda.txt

pip install --no-compile --no-deps --requirement envs/models-cuda.txt

pip install --editable .

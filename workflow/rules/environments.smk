# The Python environments of the model jobs.
# Input: a complete lock, envs/<name>-<device>.txt. Output: environments/<name>-<device>/ with its marker.


rule environment:
    input:
        lock="envs/{lock}.txt",
    output:
        ready="environments/{lock}/ready.txt",
    log:
        "<logs>/environment/{lock}.log",
    benchmark:
        "<benchmarks>/environment/{lock}.tsv"
    priority: 100
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        folder=subpath(output.ready, parent=True),
    shell:
        """
        exec > {log:q} 2>&1
        python -m venv --clear {params.folder:q}
        {params.folder:q}/bin/python -m pip install --no-compile --no-deps --requirement {input.lock:q}
        {params.folder:q}/bin/python -m pip install --no-compile torch torchvision
        cp {input.lock:q} {output.ready:q}
        """

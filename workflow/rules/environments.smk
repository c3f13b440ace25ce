# The Python environments of the model jobs: virtual environments, or container images.
# Input: a complete lock, envs/<name>-<device>.txt. Output: environments/<name>-<device>-<the lock's digest>/ with its
# marker, or the same name with .sif. The lock is no input: its digest is in the name, so a newer file of the same content
# makes nothing anew.


rule environment:
    output:
        ready="environments/{lock}-{digest}/ready.txt",
    log:
        "<logs>/environment/{lock}-{digest}.log",
    benchmark:
        "<benchmarks>/environment/{lock}-{digest}.tsv"
    wildcard_constraints:
        lock=one_of(LOCKS),
    priority: 100
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        folder=subpath(output.ready, parent=True),
    shell:
        """
        python -m dreamr make-environment \
            --lock envs/{wildcards.lock:q}.txt \
            --out {params.folder:q} \
            > {log:q} 2>&1
        """


# Needs apptainer and a network; see envs/container.def.
rule image:
    output:
        image="environments/{lock}-{digest}.sif",
    log:
        "<logs>/image/{lock}-{digest}.log",
    benchmark:
        "<benchmarks>/image/{lock}-{digest}.tsv"
    wildcard_constraints:
        lock=one_of(LOCKS),
    priority: 100
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        recipe="envs/container.def",
    shell:
        """
        apptainer build --build-arg lock={wildcards.lock:q} {output.image:q} {params.recipe:q} > {log:q} 2>&1
        """

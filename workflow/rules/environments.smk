# The virtual environments of the model jobs, environments/<name>-<device>-<the lock's digest>/, each from a complete lock,
# envs/<name>-<device>.txt. The lock is no input: its digest is in the name, so a newer file of the same content makes
# nothing anew.


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

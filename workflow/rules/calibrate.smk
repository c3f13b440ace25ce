# Thresholds with a guarantee: problems of their own, the target's answers to them, and the candidates of each pair.
# Input: models and prepared questions. Output: <results>/calibration/<target>/<the model that drafts>/<method>.json, a
# certificate, which `generate` reads. Nothing of this runs where no method has a guarantee in the place of its alpha.

REFERENCE = "<results>/calibration/{target}/none/target_only.jsonl"


rule make_calibration:
    output:
        PLAN.calibration_files.values(),
    log:
        "<logs>/make_calibration.log",
    benchmark:
        "<benchmarks>/make_calibration.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("make_calibration"),
        folder=lambda wildcards: CONFIG.calibration.generated,
        spec=lambda wildcards: as_json(PLAN.make_calibration()),
    shell:
        """
        python -m dreamr make-calibration \
            --out {params.folder:q} \
            --spec {params.spec:q} \
            > {log:q} 2>&1
        """


# Once for all drafts of a target, and in no need of a trained one.
rule ask_target:
    input:
        environment("models"),
        cards=lambda wildcards: card(wildcards.target),
        data=data(PLAN.calibrated_on),
    output:
        traces=REFERENCE,
    log:
        "<logs>/ask_target/{target}.log",
    benchmark:
        "<benchmarks>/ask_target/{target}.tsv"
    priority: 5  # behind answers that wait for none
    conda:
        "../../envs/models.yaml"
    threads: ALL_CORES
    resources:
        **needs("ask_target", gpus=lambda wildcards: PLAN.gpus_of([wildcards.target])),
    params:
        begin=BEGIN,
        lock=lock_digest("models"),
        spec=lambda wildcards: as_json(PLAN.ask_target(wildcards.target)),
        python=python("models"),
        models=folder("cards", up=2),
        data=folder("data"),
        cells=f"{RESULTS}/cells",
    shell:
        """
        {params.begin} {log:q}
        exec {params.python:q} -m dreamr generate \
            --spec {params.spec:q} \
            --models {params.models:q} \
            --data {params.data:q} \
            --cells {params.cells:q} \
            --out {output.traces:q} \
            >> {log:q} 2>&1
        """


# Finished answers are kept in <results>/cells, so a job that is killed, or rerun for another risk, answers nothing twice.
rule calibrate:
    input:
        environment("models"),
        cards=lambda wildcards: cards([wildcards.target, wildcards.drafter]),
        reference=REFERENCE,
        data=data(PLAN.calibrated_on),
    output:
        certificate="<results>/calibration/{target}/{drafter}/{method}.json",
    log:
        "<logs>/calibrate/{target}/{drafter}/{method}.log",
    benchmark:
        "<benchmarks>/calibrate/{target}/{drafter}/{method}.tsv"
    priority: 5  # behind answers that wait for none
    conda:
        "../../envs/models.yaml"
    threads: ALL_CORES
    resources:
        **needs("calibrate", gpus=lambda wildcards: PLAN.gpus_of([wildcards.target, wildcards.drafter])),
    params:
        begin=BEGIN,
        lock=lock_digest("models"),
        code=command_digest("calibrate"),
        spec=lambda wildcards: as_json(PLAN.calibrate(Calibrated(**wildcards))),
        python=python("models"),
        models=folder("cards", up=2),
        data=folder("data"),
        cells=f"{RESULTS}/cells",
    shell:
        """
        {params.begin} {log:q}
        exec {params.python:q} -m dreamr calibrate \
            --spec {params.spec:q} \
            --reference {input.reference:q} \
            --models {params.models:q} \
            --data {params.data:q} \
            --cells {params.cells:q} \
            --out {output.certificate:q} \
            >> {log:q} 2>&1
        """

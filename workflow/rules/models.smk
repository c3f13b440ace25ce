# Models by their three makers: fetched, quantized, trained by SAPO. And the micro zoo, trained again on demand.
# Input: weights, data sets. Output: <results>/models/<model>/, finished when its card.json is there.


# What a fetched model is does not depend on the code that fetched it, so that code is no parameter here.
rule fetch_model:
    input:
        lambda wildcards: PLAN.weights(wildcards.model),
    output:
        card="<results>/models/{model}/card.json",
    log:
        "<logs>/fetch_model/{model}.log",
    benchmark:
        "<benchmarks>/fetch_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(PLAN.models["fetch"]),
    priority: 90
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    resources:
        **needs("fetch"),
    params:
        spec=lambda wildcards: as_json(PLAN.fetch(wildcards.model)),
        offline=lambda wildcards: int(PLAN.config.models[wildcards.model].maker != "hub"),
        folder=subpath(output.card, parent=True),
    shell:
        """
        HF_HUB_OFFLINE={params.offline:q} python -m dreamr fetch-model \
            --spec {params.spec:q} \
            --out {params.folder:q} \
            > {log:q} 2>&1
        """


rule quantize:
    input:
        environment("quantize"),
        base=lambda wildcards: card(PLAN.base(wildcards.model)),
        data=data(CONFIG.awq.training_sets),
    output:
        card="<results>/models/{model}/card.json",
    log:
        "<logs>/quantize/{model}.log",
    benchmark:
        "<benchmarks>/quantize/{model}.tsv"
    wildcard_constraints:
        model=one_of(PLAN.models["awq"]),
    priority: 60
    conda:
        "../../envs/quantize.yaml"
    resources:
        **needs("quantize"),
    params:
        begin=BEGIN,
        lock=lock_digest("quantize"),
        spec=lambda wildcards: as_json(PLAN.quantize(wildcards.model)),
        python=python("quantize"),
        models=folder("base", up=2),
        data=folder("data"),
        folder=subpath(output.card, parent=True),
    shell:
        """
        {params.begin} {log:q}
        exec {params.python:q} -m dreamr quantize \
            --spec {params.spec:q} \
            --models {params.models:q} \
            --data {params.data:q} \
            --gpus {resources.gpu} \
            --out {params.folder:q} \
            >> {log:q} 2>&1
        """


rule train_sapo:
    input:
        environment("models"),
        cards=lambda wildcards: cards([PLAN.trainings[wildcards.model].target, PLAN.trainings[wildcards.model].draft]),
        data=data(CONFIG.sapo.training_sets),
        planted=lambda wildcards: PLAN.train(wildcards.model).planted or [],
    output:
        card="<results>/models/{model}/card.json",
        curve="<results>/models/{model}/training.csv",
    log:
        "<logs>/train_sapo/{model}.log",
    benchmark:
        "<benchmarks>/train_sapo/{model}.tsv"
    wildcard_constraints:
        model=one_of(PLAN.models["sapo"]),
    priority: 50
    conda:
        "../../envs/models.yaml"
    threads: CONFIG.sapo.ranks
    resources:
        **needs("train_sapo"),
    params:
        begin=BEGIN,
        lock=lock_digest("models"),
        run=over_ranks(CONFIG.sapo.ranks),
        spec=lambda wildcards: as_json(PLAN.train(wildcards.model)),
        python=python("models"),
        models=folder("cards", up=2),
        data=folder("data"),
        folder=subpath(output.card, parent=True),
    shell:
        """
        {params.begin} {log:q}
        exec {params.python:q} {params.run:q} dreamr train-sapo \
            --spec {params.spec:q} \
            --models {params.models:q} \
            --data {params.data:q} \
            --gpus {resources.gpu} \
            --out {params.folder:q} \
            >> {log:q} 2>&1
        """


# Never part of `all`: the trained zoo is in workflow/resources/zoo.
rule train_zoo:
    input:
        environment("models"),
    output:
        done=touch("<results>/zoo/done.txt"),
    log:
        "<logs>/train_zoo.log",
    benchmark:
        "<benchmarks>/train_zoo.tsv"
    conda:
        "../../envs/models.yaml"
    threads: 2
    params:
        python=python("models"),
        folder=subpath(output.done, parent=True),
    shell:
        """
        {params.python:q} -m zoo.train \
            --out {params.folder:q} \
            > {log:q} 2>&1
        """

# From scores to tables, figures and the page.
# Input: scores, training curves, times of the jobs. Output: <results>/tables, <results>/figures, <results>/report.


TABLES = ["accuracy", "versions", "speed", "acceptance", "explained", "sapo", "quantization", "ablation", "claims"]


rule summarise:
    input:
        scores=per_group("<results>/scores/{target}/{draft}/{run}/{suite}.jsonl"),
        claims="config/claims.yaml",
    output:
        tables=expand("<results>/tables/{table}.csv", table=TABLES),
    log:
        "<logs>/summarise.log",
    benchmark:
        "<benchmarks>/summarise.tsv"
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("summarise"),
        spec=as_json(SummariseJob.of(CONFIG)),
        folder=lambda wildcards: f"{RESULTS}/tables",
    shell:
        """
        python -m dreamr.cli.summarise \
            --spec {params.spec:q} \
            --scores {input.scores:q} \
            --claims {input.claims:q} \
            --out {params.folder:q} \
            > {log:q} 2>&1
        """


rule plot:
    input:
        tables=rules.summarise.output.tables,
        trainings=[f"<results>/models/{model}/training.csv" for model in PLAN.trainings],
        traces=per_group("<results>/traces/{target}/{draft}/{run}/{suite}.jsonl"),
    output:
        figures=directory("<results>/figures"),
    log:
        "<logs>/plot.log",
    benchmark:
        "<benchmarks>/plot.tsv"
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("plot"),
        spec=as_json(SummariseJob.of(CONFIG)),
        tables=lambda wildcards: f"{RESULTS}/tables",
    shell:
        """
        python -m dreamr.cli.plot \
            --spec {params.spec:q} \
            --tables {params.tables:q} \
            --trainings {input.trainings:q} \
            --traces {input.traces:q} \
            --out {output.figures:q} \
            > {log:q} 2>&1
        """


rule report:
    input:
        rules.summarise.output.tables,
        sorted(map(str, Path("reports").glob("*.*"))),
        figures=rules.plot.output.figures,
    output:
        page="<results>/report/index.html",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("report"),
        spec=as_json(CONFIG),
        results=lambda wildcards: RESULTS,
        benchmarks=lambda wildcards: CONFIG.pathvars.benchmarks,
    shell:
        """
        python -m dreamr.cli.report \
            --spec {params.spec:q} \
            --tables {params.results:q}/tables \
            --figures {input.figures:q} \
            --models {params.results:q}/models \
            --cells {params.results:q}/cells \
            --benchmarks {params.benchmarks:q} \
            --out {output.page:q} \
            > {log:q} 2>&1
        """

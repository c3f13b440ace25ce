# From scores to tables, figures and the page.
# Input: scores, training curves, times of the jobs. Output: <results>/tables, <results>/figures, <results>/report.


rule summarise:
    input:
        scores=per_group("<results>/scores/{target}/{draft}/{run}/{suite}.jsonl"),
        claims="config/claims.yaml",
        overlaps="<results>/audit/overlaps.csv",
    output:
        tables=[
            report(
                f"<results>/tables/{table}.csv", "../../reports/captions/table.rst", "Tables", labels={"table": table}
            )
            for table in TABLES
        ],
    log:
        "<logs>/summarise.log",
    benchmark:
        "<benchmarks>/summarise.tsv"
    localrule: True
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
            --overlaps {input.overlaps:q} \
            --out {params.folder:q} \
            > {log:q} 2>&1
        """


# Only the micro world knows whether a single step is right.
STEP_VERDICTS = [*(f"{table}.csv" for table in OF_STEPS), GALLERY]
VERIFIED = expand("<results>/verification/{file}", file=STEP_VERDICTS) if CONFIG.micro else []


rule verify:
    input:
        PLAN.micro_files.values(),
        data(name for name in CONFIG.benchmarks if name in PLAN.datasets),
        traces=per_group("<results>/traces/{target}/{draft}/{run}/{suite}.jsonl"),
    output:
        expand("<results>/verification/{file}", file=STEP_VERDICTS),
    log:
        "<logs>/verify.log",
    benchmark:
        "<benchmarks>/verify.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("verify"),
        spec=as_json(SummariseJob.of(CONFIG)),
        results=lambda wildcards: RESULTS,
        truth=lambda wildcards: MICRO,
    shell:
        """
        python -m dreamr.cli.verify \
            --spec {params.spec:q} \
            --traces {input.traces:q} \
            --data {params.results:q}/data \
            --truth {params.truth:q} \
            --out {params.results:q}/verification \
            > {log:q} 2>&1
        """


rule plot:
    input:
        VERIFIED,
        tables=rules.summarise.output.tables,
        trainings=[f"<results>/models/{model}/training.csv" for model in PLAN.trainings],
        traces=per_group("<results>/traces/{target}/{draft}/{run}/{suite}.jsonl"),
    output:
        figures=report(
            directory("<results>/figures"),
            patterns=["{figure}.svg"],
            caption="../../reports/captions/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        "<logs>/plot.log",
    benchmark:
        "<benchmarks>/plot.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("plot"),
        spec=as_json(SummariseJob.of(CONFIG)),
        tables=lambda wildcards: f"{RESULTS}/tables",
        verification=["--verification", f"{RESULTS}/verification"] if VERIFIED else [],
    shell:
        """
        python -m dreamr.cli.plot \
            --spec {params.spec:q} \
            --tables {params.tables:q} \
            --trainings {input.trainings:q} \
            --traces {input.traces:q} \
            {params.verification:q} \
            --out {output.figures:q} \
            > {log:q} 2>&1
        """


rule report:
    input:
        rules.summarise.output.tables,
        VERIFIED,
        "<results>/audit/overlaps.csv",
        sorted(map(str, Path("reports").glob("*.*"))),
        figures=rules.plot.output.figures,
        cards=cards(name for names in PLAN.models.values() for name in names),
        traces=per_group("<results>/traces/{target}/{draft}/{run}/{suite}.jsonl"),
    output:
        page=report(
            "<results>/report/index.html", "../../reports/captions/page.rst", "The page", labels={"page": CONFIG.title}
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("report"),
        spec=as_json(CONFIG),
        results=lambda wildcards: RESULTS,
        verification=["--verification", f"{RESULTS}/verification"] if VERIFIED else [],
        benchmarks=lambda wildcards: CONFIG.pathvars.benchmarks,
    shell:
        """
        python -m dreamr.cli.report \
            --spec {params.spec:q} \
            --tables {params.results:q}/tables \
            --audit {params.results:q}/audit \
            --figures {input.figures:q} \
            --cards {input.cards:q} \
            --traces {input.traces:q} \
            --cells {params.results:q}/cells \
            --benchmarks {params.benchmarks:q} \
            {params.verification:q} \
            --out {output.page:q} \
            > {log:q} 2>&1
        """

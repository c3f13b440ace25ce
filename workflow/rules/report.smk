# From scores to tables, figures and the page.
# Input: scores, training curves, times of the jobs. Output: <results>/tables, <results>/figures, <results>/report.


rule summarise:
    input:
        scores=per_group("<results>/scores/{target}/{draft}/{run}/{suite}.jsonl"),
        traces=per_group("<results>/traces/{target}/{draft}/{run}/{suite}.jsonl"),
        claims=CLAIMS,
        published="config/published.yaml",
        audit=AUDIT,
        certificates=list(map(PLAN.certificate, PLAN.calibrations)),
    output:
        tables=[
            report(
                f"<results>/tables/{table}.csv", "../../reports/captions/table.rst", "Tables", labels={"table": table}
            )
            for table in ["claims", *catalogue.made_by("summarise")]
        ],
    log:
        "<logs>/summarise.log",
    benchmark:
        "<benchmarks>/summarise.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("summarise", *catalogue.modules("summarise")),
        spec=as_json(SummariseJob.of(CONFIG)),
        audit=folder("audit"),
        certificates=option_of_files("--certificates", "certificates"),
        folder=folder("tables"),
    shell:
        """
        python -m dreamr summarise \
            --spec {params.spec:q} \
            --scores {input.scores:q} \
            --traces {input.traces:q} \
            --claims {input.claims:q} \
            --published {input.published:q} \
            --audit {params.audit:q} \
            {params.certificates:q} \
            --out {params.folder:q} \
            > {log:q} 2>&1
        """


# What schedules bring by theory alone; nothing of a run goes in, so it is made once.
rule simulate:
    output:
        table="<results>/tables/target_speculation.csv",
    log:
        "<logs>/simulate.log",
    benchmark:
        "<benchmarks>/simulate.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("simulate", "dreamr.methods.fpsr"),
    shell:
        """
        python -m dreamr simulate \
            --out {output.table:q} \
            > {log:q} 2>&1
        """


# Only the micro world knows whether a single step is right, and that of the questions that it made.
JUDGING = VerifyJob.of(CONFIG)
VERIFIED = expand("<results>/verification/{file}", file=catalogue.outputs("verify")) if JUDGING.benchmarks else []


rule verify:
    input:
        micro=[PLAN.micro_files[name] for name in JUDGING.benchmarks],
        data=data(JUDGING.benchmarks),
        traces=per_group("<results>/traces/{target}/{draft}/{run}/{suite}.jsonl"),
        scores=per_group("<results>/scores/{target}/{draft}/{run}/{suite}.jsonl"),
    output:
        verified=expand("<results>/verification/{file}", file=catalogue.outputs("verify")),
    log:
        "<logs>/verify.log",
    benchmark:
        "<benchmarks>/verify.tsv"
    localrule: True
    conda:
        "../../envs/workflow.yaml"
    params:
        code=command_digest("verify", *catalogue.modules("verify")),
        spec=as_json(JUDGING),
        data=folder("data"),
        truth=folder("micro", up=2),
        folder=folder("verified"),
    shell:
        """
        python -m dreamr verify \
            --spec {params.spec:q} \
            --traces {input.traces:q} \
            --scores {input.scores:q} \
            --data {params.data:q} \
            --truth {params.truth:q} \
            --out {params.folder:q} \
            > {log:q} 2>&1
        """


rule plot:
    input:
        verified=VERIFIED,
        tables=rules.summarise.output.tables,
        simulated=rules.simulate.output.table,
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
        code=command_digest("plot", *catalogue.modules("plot")),
        spec=as_json(SummariseJob.of(CONFIG)),
        tables=folder("tables"),
        verification=option("--verification", "verified"),
        captions=captions(catalogue.studies()),  # for Snakemake's report
    shell:
        """
        python -m dreamr plot \
            --spec {params.spec:q} \
            --tables {params.tables:q} \
            --trainings {input.trainings:q} \
            --traces {input.traces:q} \
            {params.verification:q} \
            --out {output.figures:q} \
            > {log:q} 2>&1
        """


# The default run is small; its page shows what the kept runs in depth found as well. The first file tells the folder.
KEPT = sorted(map(str, Path("reports/kept").glob("**/claims.csv")), key=len)
IN_DEPTH = [*KEPT, *(path.replace("claims.csv", "run.json") for path in KEPT)] if CONFIG.scale == "micro" else []


rule report:
    input:
        kept=IN_DEPTH,
        tables=rules.summarise.output.tables,
        simulated=rules.simulate.output.table,
        verified=VERIFIED,
        audit=AUDIT,
        templates=sorted(map(str, Path("reports").glob("*.*"))),
        sections=sorted(map(str, Path("src/dreamr/studies").glob("*/*.j2"))),
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
        code=command_digest("report", *catalogue.modules("report")),
        spec=as_json(CONFIG),
        tables=folder("tables"),
        audit=folder("audit"),
        cells=f"{RESULTS}/cells",
        templates=folder("templates"),
        verification=option("--verification", "verified"),
        kept=option("--kept", "kept"),
        benchmarks=lambda wildcards: CONFIG.pathvars.benchmarks,
        logs=lambda wildcards: CONFIG.pathvars.logs,
    shell:
        """
        python -m dreamr report \
            --spec {params.spec:q} \
            --tables {params.tables:q} \
            --audit {params.audit:q} \
            --figures {input.figures:q} \
            --cards {input.cards:q} \
            --traces {input.traces:q} \
            --cells {params.cells:q} \
            --benchmarks {params.benchmarks:q} \
            --logs {params.logs:q} \
            {params.verification:q} \
            {params.kept:q} \
            --templates {params.templates:q} \
            --out {output.page:q} \
            > {log:q} 2>&1
        """

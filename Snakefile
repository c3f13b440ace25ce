# DREAM-R, from data to a report. This file is the table of contents; the logic lives in src/dreamr, the settings in config/.
#
#   .venv/bin/snakemake --cores all                                      the whole experiment at micro scale
#   .venv/bin/snakemake --cores all --configfile config/smoke.yaml       a first look, in minutes
#   .venv/bin/snakemake --profile profiles/gpu --resources gpu=2 --configfile config/gpu.yaml config/two_gpus.yaml   on two GPUs
#   .venv/bin/snakemake --profile profiles/slurm --configfile config/paper.yaml pins.yaml   the paper's models on a cluster
#   .venv/bin/snakemake --cores all zoo                                  train the micro models again
from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/environments.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


# Before the first job, and not in dry runs: they take nothing from the hub and ask nothing of the machine.
onstart:
    with exit_on_user_error():
        refuse_unpinned(PLAN)
        check_claims()
        if workflow.local_exec:  # on a cluster a job that is being cancelled may still be on its way out
            refuse_writers(Path(RESULTS, "cells"), Path(RESULTS, "models"))
        machine = machine_words()
    look_when_a_job_ends(workflow.scheduler)
    explain_ctrl_c(running_jobs, workflow.local_exec)
    told = [
        machine,
        *being_written(Path(RESULTS)),
        expectation(),
        *doubts(CONFIG),
        f"Logs with progress bars: {CONFIG.pathvars.logs}/",
    ]
    print(*told, sep="\n", flush=True)


rule all:
    default_target: True
    input:
        "<results>/report/index.html",
        "<results>/audit/overlaps.csv",


# Also links environments/models and environments/quantize, names that stay, to what the present locks made.
rule environments:
    input:
        ENVIRONMENTS,
    log:
        "<logs>/environments.log",
    localrule: True
    conda:
        "envs/workflow.yaml"
    shell:
        """
        for made in {input:q}; do
            folder=$(basename "${{made%/ready.txt}}")
            ln -sfn "$folder" "environments/${{folder%%-*}}"
        done > {log:q} 2>&1
        """


rule zoo:
    input:
        "<results>/zoo/done.txt",

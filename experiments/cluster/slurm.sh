#!/bin/bash
# A study on a Slurm cluster:  sbatch experiments/cluster/slurm.sh experiments/massive_grid.py
#
# This job drives the study: it hands out chunks and computes nothing, so one core is enough. It submits the workers as jobs of their
# own, and others in place of those that end. When its time is up it stops cleanly; submit it again, and it goes on from there.
# Lines with CHANGE depend on your cluster. If jobs may not submit jobs on it, run the last command on the login node, in tmux.

#SBATCH --job-name=jaxsim
#SBATCH --partition=main             # CHANGE: a partition for long jobs
#SBATCH --time=24:00:00              # CHANGE: as long as the study takes, or as you may
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G                     # more if the report at the end is of a very large study
#SBATCH --output=jaxsim-%j.log
#SBATCH --signal=B:TERM@120          # two minutes before the end: finish the chunks in hand and stop

set -euo pipefail
study=${1:?"usage: sbatch slurm.sh STUDY.py [more options of jaxsim run]"}
shift
. .venv/bin/activate                 # CHANGE: an environment with jaxsim-studies[dask], in a folder that all nodes share

workers=(
    --workers 10                     # CHANGE: jobs
    --cluster-option cores=8         # CHANGE: of each job; every core computes a chunk of its own
    --cluster-option memory=16GB     # CHANGE: of each job; a core's worker takes 0.5 GB, and its chunks what --memory says
    --memory 1G
    --cluster-option walltime=04:00:00
    --cluster-option queue=main      # CHANGE: the partition of the workers
    # --cluster-option account=mine
    # --cluster-option interface=ib0 # the network between the nodes, if it is not the one of their host names
    # --cluster-option log_directory=logs
)

# exec: Slurm's signal reaches the run itself. The results must lie in a folder that all nodes share, or at an address (s3://...).
exec jaxsim run "$study" --executor dask --cluster slurm "${workers[@]}" "$@"

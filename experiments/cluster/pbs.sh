#!/bin/bash
# A study on a PBS cluster:  qsub -v STUDY=experiments/massive_grid.py experiments/cluster/pbs.sh
#
# This job drives the study: it hands out chunks and computes nothing, so one core is enough. It submits the workers as jobs of their
# own, and others in place of those that end. When its time is up, submit it again, and it goes on from there.
# Lines with CHANGE depend on your cluster. If jobs may not submit jobs on it, run the last command on the login node, in tmux.

#PBS -N jaxsim
#PBS -q main
#PBS -l select=1:ncpus=1:mem=4gb
#PBS -l walltime=24:00:00
#PBS -j oe
# CHANGE above: the queue (a long one), and the time: as long as the study takes, or as you may.

set -euo pipefail
cd "$PBS_O_WORKDIR"
: "${STUDY:?usage: qsub -v STUDY=STUDY.py pbs.sh}"
. .venv/bin/activate                 # CHANGE: an environment with jaxsim-studies[dask], in a folder that all nodes share

workers=(
    --workers 10                     # CHANGE: jobs
    --cluster-option cores=8         # CHANGE: of each job; every core computes a chunk of its own
    --cluster-option memory=16GB     # CHANGE: of each job; a core's worker takes 0.5 GB, and its chunks what --memory says
    --memory 1G
    --cluster-option walltime=04:00:00
    --cluster-option queue=main      # CHANGE: the queue of the workers
    # --cluster-option account=mine
    # --cluster-option resource_spec=select=1:ncpus=8:mem=16gb
)

# exec: the signal before the end reaches the run itself. The results must lie in a folder that all nodes share, or at an address.
exec jaxsim run "$STUDY" --executor dask --cluster pbs "${workers[@]}"

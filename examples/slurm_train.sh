#!/bin/bash
# Train on several machines under Slurm: sbatch examples/slurm_train.sh
# One torchrun on each machine starts a process for each of its GPUs. On machines without GPUs take out --gres and
# say with PROCESSES how many processes each machine is to have. Slurm sends SIGTERM before the time limit: the run
# saves itself and the job is queued again, where the same command goes on at the next step.
#SBATCH --job-name=convnets
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gres=gpu:4
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append

set -u
PROCESSES=${PROCESSES:-${SLURM_GPUS_ON_NODE:-1}}
FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
# of each attempt's own, so that a restarted process never meets addresses of the one before
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1

srun --kill-on-bad-exit=0 torchrun \
    --nnodes="$SLURM_NNODES" --nproc-per-node="$PROCESSES" --max-restarts=3 \
    --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}" --rdzv-endpoint="$FIRST:29500" \
    -m convnets train resnet50 --data /shared/photos --epochs 90 --batch-size 1024 \
    --output /shared/runs --name resnet50-photos --resume auto --rank-timeout 10
STATUS=$?

# what a time limit or preemption stopped goes on in the next job; an error is for a person to look at
if tail -n 1 /shared/runs/resnet50-photos/events.jsonl | grep -q '"reason": "terminated"'; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $STATUS

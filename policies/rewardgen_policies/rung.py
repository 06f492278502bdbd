"""One rung of a population: collect, score, learn, record; and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from torch import Tensor

from rewardgen_envs.engines.choice import EngineChoice
from rewardgen_envs.simulation import Simulation
from rewardgen_envs.task import Task
from rewardgen_policies.checkpoint import CheckpointError, MemberState, Origin, load_checkpoint
from rewardgen_policies.collector import Collected, Collector
from rewardgen_policies.curves import CurveRecorder
from rewardgen_policies.learner import Experience, Learner, LearnStats
from rewardgen_policies.members import Failure, Member, Progress, TrainResult
from rewardgen_policies.networks import NetworkSpec
from rewardgen_policies.population import Population, initial_state
from rewardgen_policies.recipe import Recipe, with_overrides
from rewardgen_policies.scoring import Scored, Scorer, Trouble, members_where
from rewardgen_policies.streams import generators, stream_seed
from rewardgen_policies.update import UpdateStats

_SHARD = 8  # members updated together: more do not fit the cache, fewer waste time on calls


def flush_denormals() -> None:
    """Take numbers below 1e-38 for 0 in this thread.

    The optimizer's averages of a vanished gradient shrink that far, and are then 100 times slower.
    """
    torch.set_flush_denormal(True)


def shards(members: int, threads: int) -> list[tuple[int, int]]:
    """Cut members into ranges of equal size ± 1 that keep all threads busy."""
    rounds = -(-members // (threads * _SHARD))
    count = min(members, rounds * threads)
    edges = [members * i // count for i in range(count + 1)]
    return list(pairwise(edges))


class Rung:
    """The working parts of one rung."""

    def __init__(
        self,
        task: Task,
        members: Sequence[Member],
        recipe: Recipe,
        rung: int,
        threads: int,
        engine: EngineChoice,
    ) -> None:
        seeds = [m.seed for m in members]
        device = torch.device(engine.device)
        recipes = [with_overrides(recipe, m.overrides) for m in members]
        self._recipe = recipe
        self._scorer = Scorer([m.source for m in members])
        self._population = Population.of(_states(task, members, recipes), device=device)
        self._failures: list[Failure | None] = [None] * len(members)
        self._recorder = CurveRecorder(task, recipe, len(members))
        orders = generators("sample order", seeds, rung, device)
        # a GPU takes the whole population at once
        self._shards = shards(len(members), threads) if engine.on_cpu else [(0, len(members))]
        self._learners = [
            Learner(self._population.part(a, b), recipes[a:b], orders[a:b]) for a, b in self._shards
        ]
        self._simulation = Simulation(
            task,
            [stream_seed("training episodes", seed, rung) for seed in seeds],
            recipe.worlds,
            threads=threads,
            engine=engine,
        )
        self._collector = Collector(
            self._simulation,
            self._population,
            recipe,
            generators("action noise", seeds, rung, device),
        )
        self._pool = ThreadPoolExecutor(threads, initializer=flush_denormals)

    def close(self) -> None:
        """Free threads and worlds."""
        self._pool.shutdown()
        self._simulation.close()

    def run(self, updates: int, progress: Callable[[Progress], None] | None) -> TrainResult:
        """Take so many updates, fewer if nobody is left."""
        for update in range(updates):
            self._update(update)
            if progress is not None:
                progress(self._progress(update + 1, updates))
            if not bool(self._population.active.any()):
                break
        states = [self._population.state(i) for i in range(self._population.size)]
        return TrainResult(states, self._recorder.curves(), self._failures)

    def _update(self, update: int) -> None:
        """Collect, score, learn, record."""
        population = self._population
        collected = self._collector.collect()
        self._simulation.check_contacts()
        action = collected.action.to(torch.float32).flatten(1)
        for member in members_where(~torch.isfinite(action).all(1)):
            self._freeze(member, Trouble("policy", "the policy's actions are not finite"), update)
        scored = self._scorer.score(collected.rollout)
        for member, trouble in scored.troubles.items():
            self._freeze(member, trouble, update)
        scored = _without_failed(scored, population.active)
        before = population.active.clone()
        stats = self._learn(collected, scored)
        for member in members_where(before & ~population.active):
            message = "the policy's update is not finite; the reward may be too large"
            self._freeze(member, Trouble("policy", message), update)
        self._recorder.add(collected, scored, stats, population)

    def _learn(self, collected: Collected, scored: Scored) -> LearnStats:
        """Update all shards in parallel."""

        def learn(shard: tuple[int, int], learner: Learner) -> LearnStats:
            with torch.inference_mode():  # per thread
                return learner.learn(_experience(collected, scored, *shard))

        if len(self._shards) == 1:
            return learn(self._shards[0], self._learners[0])
        return _joined(list(self._pool.map(learn, self._shards, self._learners)))

    def _freeze(self, member: int, trouble: Trouble, update: int) -> None:
        self._population.active[member] = False
        if self._failures[member] is None:
            self._failures[member] = Failure(
                kind=trouble.kind,
                message=trouble.message,
                term=trouble.term,
                update=update,
                env_steps=int(self._population.env_steps[member]),
            )

    def _progress(self, update: int, updates: int) -> Progress:
        metric = self._simulation.task.metrics[0].name
        return Progress(
            update=update,
            updates=updates,
            env_steps=update * self._recipe.samples,
            total_env_steps=updates * self._recipe.samples,
            episode_return=self._recorder.latest("episode_return"),
            fitness=self._recorder.latest(f"fitness/{metric}"),
            failed=sum(f is not None for f in self._failures),
        )


def _states(task: Task, members: Sequence[Member], recipes: Sequence[Recipe]) -> list[MemberState]:
    """Return the members' states: loaded, or new."""
    spec = NetworkSpec.of(task, recipes[0].hidden)
    states: list[MemberState] = []
    for member, recipe in zip(members, recipes, strict=True):
        origin = Origin(
            task=task.name,
            task_version=task.version,
            seed=member.seed,
            source_sha256=member.source.spec.sha256,
            recipe_sha256=recipe.sha256,
        )
        if member.checkpoint is None:
            states.append(initial_state(spec, origin, recipe))
            continue
        state = load_checkpoint(member.checkpoint)
        if state.spec != spec:
            raise CheckpointError(
                f"{member.checkpoint}: its networks are {state.spec}, task '{task.name}' with "
                f"this recipe needs {spec}"
            )
        states.append(MemberState(spec, origin, state.counters, state.tensors))
    return states


def _without_failed(scored: Scored, active: Tensor) -> Scored:
    """Take failed members' transitions out."""
    if bool(active.all()):
        return scored
    keep = active[:, None, None]
    reward = torch.where(keep, scored.reward, 0.0)
    return Scored(reward, scored.valid & keep, scored.terms, scored.troubles)


def _experience(collected: Collected, scored: Scored, start: int, stop: int) -> Experience:
    """Return what one shard learns from, as views."""
    part = slice(start, stop)
    return Experience(
        observation=collected.observation[part],
        action=collected.action[part],
        log_prob=collected.log_prob[part],
        reward=scored.reward[part],
        terminated=collected.rollout.terminated[part],
        ended=collected.ended[part],
        valid=scored.valid[part],
        truncated_at=collected.truncated_at,
        terminal_observation=[o[part] for o in collected.terminal_observation],
    )


def _joined(parts: list[LearnStats]) -> LearnStats:
    """Join the statistics of all shards."""

    def join(values: list[Tensor]) -> Tensor:
        return torch.cat(values)

    return LearnStats(
        update=UpdateStats(
            kl=join([p.update.kl for p in parts]),
            entropy=join([p.update.entropy for p in parts]),
            value_loss=join([p.update.value_loss for p in parts]),
            clip_share=join([p.update.clip_share for p in parts]),
        ),
        explained_variance=join([p.explained_variance for p in parts]),
        episode_return=join([p.episode_return for p in parts]),
        advantage=join([p.advantage for p in parts]),
    )

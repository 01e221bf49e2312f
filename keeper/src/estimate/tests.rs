use std::num::NonZeroU64;

use proptest::prelude::*;
use serde::Deserialize;
use xenon_protocol::contracts::Status;

use super::*;
use crate::{Kind, NodeId, TaskId, fixture::Network};

const KIND: KindId = KindId(0);

fn seen(task: u64, size: u32, ms: u32) -> Observation {
    Observation { task: TaskId(task), node: NodeId(1), kind: KIND, class: Some(ClassId(1)), size, ms, at: 1_000 }
}

fn learned(points: &[(u32, u32)]) -> Estimator {
    let mut estimator = Estimator::new();
    for (task, (size, ms)) in (0..).zip(points) {
        estimator.learn(seen(task, *size, *ms));
    }
    estimator
}

/// A network whose first kind has these durations.
fn network(overhead_ms: u32, ms_per_unit: u32) -> Network {
    let mut network = Network::with_classes(&[9]);
    let ms_per_unit = ms_per_unit.try_into().unwrap();
    network.happen(Event::DurationsChanged { kind: KIND, overhead_ms, ms_per_unit });
    network
}

fn proposal(present: (u32, u32), points: &[(u32, u32)]) -> Result<Proposal, Refusal> {
    learned(points).proposal(&network(present.0, present.1).view, KIND, 2_000)
}

/// Noise of at most one part in ten, equally often above and below.
fn noisy(overhead: u32, unit: u32, noise: &[i32], sizes: &[u32]) -> Vec<(u32, u32)> {
    let ms = |size: u32, noise: i32| {
        let fair = i64::from(overhead) + i64::from(unit) * i64::from(size);
        u32::try_from(fair + fair * i64::from(noise) / 1_000).unwrap()
    };
    sizes.iter().zip(noise).map(|(size, noise)| (*size, ms(*size, *noise))).collect()
}

fn any_noise() -> impl Strategy<Value = (Vec<i32>, Vec<u32>)> {
    (prop::collection::vec(-100..=100i32, 240), prop::collection::vec(1..=1_000u32, 240))
}

#[test]
fn nothing_is_proposed_from_too_little() {
    assert_eq!(proposal((1_000, 10), &[]), Err(Refusal::TooFew { seen: 0 }));
    assert_eq!(proposal((1_000, 10), &vec![(5, 99_999); 63]), Err(Refusal::TooFew { seen: 63 }));
    assert_eq!(proposal((1_000, 10), &vec![(5, 99_999); 200]), Err(Refusal::OneSize));
    let view = Network::new().view;
    assert_eq!(Estimator::new().proposal(&view, KindId(9), 0), Err(Refusal::UnknownKind));
}

#[test]
fn small_error_is_not_worth_a_change_however_sure_it_is() {
    let points: Vec<_> = (1..=200).map(|size| (size, 1_040 + 104 * size)).collect();
    assert_eq!(proposal((1_000, 100), &points), Err(Refusal::NotWorth));
}

#[test]
fn second_change_waits_for_a_day() {
    let points: Vec<_> = (1..=200).map(|size| (size, 1_500 + 150 * size)).collect();
    let mut network = network(1_000, 100);
    let mut estimator = learned(&points);
    let from = network.logs.len();
    let durations = Event::DurationsChanged { kind: KIND, overhead_ms: 1_000, ms_per_unit: 100.try_into().unwrap() };
    network.happen(durations);
    estimator.note(&network.view, &network.logs[from..], 1, 50_000);
    let at = |now| estimator.proposal(&network.view, KIND, now);
    assert_eq!(at(50_000 + EPOCH - 1), Err(Refusal::TooSoon { from: 50_000 + EPOCH }));
    assert!(at(50_000 + EPOCH).is_ok());
}

#[test]
fn kind_that_may_last_no_longer_is_left_as_it_is() {
    let points: Vec<_> = (1..=200).map(|size| (size, 4_000_000 + 2_000 * size)).collect();
    let mut view = network(1_000, 1_000).view;
    assert!(learned(&points).proposal(&view, KIND, 0).is_ok());
    // A thousand units at twice this are more than a day.
    view = network(1_000, 80_000).view;
    let points: Vec<_> = (1..=200).map(|size| (size, 1_000 + 200_000 * size)).collect();
    assert_eq!(learned(&points).proposal(&view, KIND, 0), Err(Refusal::AtBound));
}

#[test]
fn duration_of_zero_can_grow() {
    let points: Vec<_> = (1..=200).map(|size| (size, 500 + 100 * size)).collect();
    let proposal = proposal((0, 100), &points).unwrap();
    assert_eq!((proposal.overhead_ms, proposal.ms_per_unit.get()), (10, 100));
    assert_eq!(proposal.to_string(), "kind 0: 10 ms and 100 ms a unit");
}

/// A world in which every task takes its nodes a second less than the task's number of units, and is seated at once.
fn observed(tasks: u32) -> (Network, Estimator) {
    let (mut network, mut estimator) = (Network::with_classes(&[9]), Estimator::new());
    let mut noted = network.logs.len();
    for _ in 0..tasks {
        let task = network.create(0, None, 100);
        network.draw(task);
        network.pass(1);
        network.seat(task, [1, 2, 3], 5_000);
        note(&mut network, &mut estimator, &mut noted);
        network.pass(7);
        let commit = |node| Event::Committed { task, node: NodeId(node), commitment: alloy::primitives::B256::ZERO };
        for node in [1, 3] {
            network.happen(commit(node));
        }
        note(&mut network, &mut estimator, &mut noted);
        (1..=3).for_each(|node| network.status(NodeId(node), Status::Free));
        network.pass(1);
    }
    (network, estimator)
}

fn note(network: &mut Network, estimator: &mut Estimator, noted: &mut usize) {
    estimator.note(&network.view, &network.logs[*noted..], network.block, 10 * network.block);
    *noted = network.logs.len();
}

#[test]
fn seat_is_observed_from_its_seating_to_its_commitment_and_once_final() {
    let (network, mut estimator) = observed(2);
    assert_eq!(estimator.observations(KIND).count(), 0, "nothing is final");
    estimator.settle(network.block);
    let mut seats: Vec<_> =
        estimator.observations(KIND).map(|seen| (seen.task.0, seen.node.0, seen.size, seen.ms)).collect();
    seats.sort_unstable();
    assert_eq!(seats, [(1, 1, 1, 70_000), (1, 3, 1, 70_000), (2, 1, 1, 70_000), (2, 3, 1, 70_000)]);
    let reports = estimator.reports();
    let counts: Vec<_> = reports.iter().map(|report| (report.class, report.observations, report.line)).collect();
    assert_eq!(counts, [(None, 4, None), (Some(ClassId(1)), 4, None)]);
}

#[test]
fn what_was_undone_is_not_learned() {
    let (network, estimator) = observed(2);
    let mut undone = estimator.clone();
    undone.undo(5);
    undone.settle(u64::MAX);
    assert_eq!(undone.observations(KIND).count(), 0);
    let mut half = estimator;
    half.undo(network.block - 5);
    half.settle(u64::MAX);
    assert_eq!(half.observations(KIND).count(), 2);
}

#[test]
fn effect_names_the_tasks_that_change_places() {
    let mut network = Network::with_classes(&[9]);
    let fees = [(0, 500), (1, 450), (0, 400), (1, 100)];
    let [first, second, third, _] = fees.map(|(kind, fee)| network.create(kind, None, fee));
    let proposal = Proposal { kind: KIND, overhead_ms: 0, ms_per_unit: 1_200.try_into().unwrap() };
    let effect = Effect::of(&proposal, &network.view);
    let moves = [Move { task: second, from: 1, to: 0 }, Move { task: first, from: 0, to: 1 }];
    assert_eq!((effect.queued, &effect.moves[..]), (4, &moves[..]), "{third} is third before and after");
    assert_eq!(effect.to_string(), "2 of 4 places change; task 2 from 2 to 1; task 1 from 1 to 2");
    let same = Proposal { kind: KIND, overhead_ms: 0, ms_per_unit: 1_000.try_into().unwrap() };
    assert_eq!(Effect::of(&same, &network.view).moves, []);
}

#[derive(Deserialize)]
struct Golden {
    task_value: Vec<Published>,
}

#[derive(Deserialize)]
struct Published {
    fee: u128,
    images: u32,
    seconds_per_image: u32,
    overhead_seconds: u32,
    value: f64,
}

/// Learned from tasks that take what the published figures say, a kind values tasks as published.
#[test]
fn published_values_follow_from_what_is_learned() {
    let golden: Golden = serde_json::from_str(include_str!("../../../tests/vectors/golden.json")).unwrap();
    assert!(!golden.task_value.is_empty());
    for row in golden.task_value {
        let (overhead, unit) = (1_000 * row.overhead_seconds, 1_000 * row.seconds_per_image);
        let points: Vec<_> = (0..100).map(|at| (1 + at % 4, overhead + unit * (1 + at % 4))).collect();
        let line = Line::through(&points).unwrap();
        let (overhead_ms, ms_per_unit) =
            (u32::try_from(line.overhead_ms).unwrap(), u32::try_from(line.ms_per_unit()).unwrap());
        let kind = Kind::new(false, false, 0, overhead_ms, ms_per_unit, 4).unwrap();
        let value = kind.value(row.fee * 10u128.pow(18), row.images).unwrap();
        let coins = value.rate().wei_per_second() / 1e18;
        assert!((coins - row.value).abs() <= row.value * f64::EPSILON, "{coins} is not {}", row.value);
        assert!(value.duration_ms > NonZeroU64::MIN);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Noise of a tenth on what is in force is no reason for a change.
    #[test]
    fn noise_is_no_reason_for_a_change(overhead in 0..60_000u32, unit in 10..20_000u32, (noise, sizes) in any_noise()) {
        let refusal = proposal((overhead, unit), &noisy(overhead, unit, &noise, &sizes)).unwrap_err();
        prop_assert!(matches!(refusal, Refusal::NotSure | Refusal::NotWorth), "{refusal}");
    }

    /// Three in ten observations are up to fifty times too long: what the others follow is found, to within their own
    /// noise of a tenth. (The middle of all is then at five sevenths of the others: about 4 % too high.)
    #[test]
    fn durations_are_found_among_three_in_ten_that_are_wild(
        overhead in 0..60_000u32, unit in 10..20_000u32, (noise, sizes) in any_noise(), wild in prop::collection::vec(2..50u32, 240),
    ) {
        let (mut points, few) = (noisy(overhead, unit, &noise, &sizes), 240 * 3 / 10);
        for (point, wild) in points.iter_mut().zip(wild).take(few) {
            point.1 = point.1.saturating_mul(wild);
        }
        let line = Line::through(&points).unwrap();
        for size in [250, 500, 750] {
            let fair = i64::from(overhead) + i64::from(unit) * i64::from(size);
            prop_assert!((line.at(size) - fair).abs() * 10 <= fair, "{} instead of {fair} for {size}", line.at(size));
        }
    }

    /// Whatever is observed, the contract takes what is proposed.
    #[test]
    fn proposal_is_one_that_the_contract_takes(
        present in (0..100_000u32, 1..80_000u32), points in prop::collection::vec((1..=1_000u32, any::<u32>(), 0..32u32), 64..200),
    ) {
        let points: Vec<_> = points.into_iter().map(|(size, ms, less)| (size, ms >> less)).collect();
        if let Ok(proposal) = proposal(present, &points) {
            let near = |present: u32, wanted: u32| wanted <= present.max(5) * 2 && wanted * 2 >= present;
            prop_assert!(near(present.0, proposal.overhead_ms) && near(present.1, proposal.ms_per_unit.get()));
            let longest = u64::from(proposal.overhead_ms) + 1_000 * u64::from(proposal.ms_per_unit.get());
            prop_assert!(longest <= 24 * 3_600 * 1_000);
            prop_assert!((proposal.overhead_ms, proposal.ms_per_unit.get()) != present);
        }
    }

    /// Changes that are allowed lead to what is observed, one a day.
    #[test]
    fn repeated_proposals_arrive_at_what_is_observed(
        present in (1..50_000u32, 1..10_000u32), fair in (1..50_000u32, 1..10_000u32), seed in prop::collection::vec(1..=1_000u32, 200),
    ) {
        let points: Vec<_> = seed.iter().map(|size| (*size, fair.0 + fair.1 * *size)).collect();
        let (mut present, mut days) = (present, 0);
        while let Ok(next) = proposal(present, &points) {
            present = (next.overhead_ms, next.ms_per_unit.get());
            days += 1;
            prop_assert!(days < 40);
        }
        let mut sizes = seed;
        sizes.sort_unstable();
        let (found, wanted) = (Line::new(present.0, present.1), Line::new(fair.0, fair.1));
        let [got, right] = [found, wanted].map(|line| line.at(sizes[sizes.len() / 2]));
        // A twentieth of what is in force is not worth a change.
        prop_assert!((got - right).abs() * 20 <= got.max(right), "{found} instead of {wanted}");
    }

    #[test]
    fn order_of_observations_does_not_matter((noise, sizes) in any_noise(), turn in 0..240usize) {
        let points = noisy(3_000, 200, &noise, &sizes);
        let observed: Vec<_> = (0..).zip(&points).map(|(task, (size, ms))| seen(task, *size, *ms)).collect();
        let mut turned = observed.clone();
        turned.rotate_left(turn);
        let learned = |observed: &[Observation]| {
            let mut estimator = Estimator::new();
            for seen in observed {
                estimator.learn(*seen);
            }
            estimator
        };
        prop_assert_eq!(learned(&observed), learned(&turned));
        prop_assert_eq!(learned(&observed).reports(), learned(&turned).reports());
    }
}

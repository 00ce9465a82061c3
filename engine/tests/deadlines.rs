//! Deadlines of a shard whose aggregates wait for different other shards.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use engine::{
    Effects, Head, Limits, NewRecord, Policy, Shard, Ticket,
    shard::{
        Health, Notice, TICK, Wake,
        calls::{
            Answer, Decide, Decided, Entry, HeadsFor, KeyOwner, LoadedState, Outcome, PartDone,
            Question, WriterSignal,
        },
        rules::{LinkKind, Parking, Part, PartToPark, Rules},
    },
    supervision::Exhausted,
};

const ME: u8 = 0;
const POLICY: Policy = Policy {
    kind: "test",
    mailbox_capacity: 100,
    restarts_max: 10,
    window: Duration::from_secs(10),
    backoff_min: Duration::from_millis(1),
    backoff_max: Duration::from_millis(10),
    on_exhaustion: Exhausted::RestartShard,
};
const LIMITS: Limits = Limits {
    turns_max: 100,
    aggregate_commands_max: 10,
    read_max: 10,
    load_max: 10,
    keys_max: 10,
    idle_max: Duration::from_secs(300),
    quiet: Duration::from_secs(1),
    policy: POLICY,
};

/// An aggregate that waits for one other shard, until it is told to give up.
#[derive(Clone, Debug)]
struct Waiting(Option<u8>);

/// Shard 0, whose aggregates wait for shards 1 and 2.
#[derive(Debug)]
struct Waits;

impl Rules for Waits {
    type Shard = u8;
    type Time = Duration;
    type Aggregate = Waiting;
    type Command = &'static str;
    type Draft = ();
    type Event = &'static str;
    type Rejection = String;
    type Fact = ();
    type Payload = ();
    type Row = ();
    type Attachment = ();
    type Parked = ();
    type Subject = ();
    type Trace = ();

    const POLICY: Policy = POLICY;

    fn sources(&self) -> Vec<(u8, LinkKind)> {
        vec![(1, LinkKind::Inbox), (2, LinkKind::Inbox)]
    }

    fn next_id(&self, last_id: u64, _: Duration) -> u64 {
        last_id + 1
    }

    fn create(&self, (): (), _: u64) -> &'static str {
        "create"
    }

    fn parts(&self, (): &(), _: u64, _: &mut dyn FnMut() -> u64) -> Vec<Part<Self>> {
        Vec::new()
    }

    fn at_rest(&self, state: &Waiting) -> bool {
        state.0.is_none()
    }

    fn deadline(&self, state: &Waiting) -> Option<Duration> {
        state.0.map(|_| Duration::from_secs(60))
    }

    fn on_deadline(&self) -> Option<&'static str> {
        Some("give up")
    }

    fn subject_of_command(&self, _: u64) {}

    fn awaited(&self) -> Vec<u8> {
        vec![1, 2]
    }

    fn awaited_by(&self, state: &Waiting) -> Vec<u8> {
        state.0.into_iter().collect()
    }

    fn record(
        &self,
        _: &'static str,
        _: u64,
        _: u64,
        _: Duration,
        _: Option<()>,
    ) -> NewRecord<u8, ()> {
        NewRecord {
            payload: (),
            targets: Vec::new(),
        }
    }

    fn row(&self, _: Waiting, _: u64) {}

    fn attachment_row(&self, (): (), _: u64) -> Option<()> {
        None
    }

    fn key_row(&self, _: String, _: KeyOwner<Duration>) {}

    fn park(&self, _: PartToPark<'_, Self>) {}

    fn parked_id(&self, (): &()) -> u64 {
        0
    }

    fn parked_for(&self, (): &()) -> (u64, ()) {
        (0, ())
    }

    fn parked_fact(&self, (): &()) -> Result<((), u64), String> {
        Err("nothing parks here".to_owned())
    }

    fn parking_record(&self, (): &(), _: Parking, _: Duration, _: Option<()>) -> NewRecord<u8, ()> {
        NewRecord {
            payload: (),
            targets: Vec::new(),
        }
    }

    fn parking_row(&self, (): (), _: Parking) {}
}

/// What the shard wants, noted.
#[derive(Default)]
struct World {
    now: Duration,
    asked: Vec<(u64, Question<Waits>)>,
    told: Vec<(u64, Decide<Waits>)>,
    submitted: usize,
}

impl Effects<Waits> for World {
    fn now(&self) -> Duration {
        self.now
    }

    fn uptime(&self) -> Duration {
        self.now
    }

    fn ask(&mut self, life: u64, question: Question<Waits>) {
        self.asked.push((life, question));
    }

    fn wake(&mut self, _: Duration, _: u64, _: Wake) {}

    fn build(&mut self, _: u64, _: Option<(Waiting, u64)>) {}

    fn decide(&mut self, id: u64, decide: Decide<Waits>) {
        self.told.push((id, decide));
    }

    fn let_go(&mut self, _: u64) {}

    fn let_all_go(&mut self) {}

    fn submit(&mut self, entries: Vec<Entry<Waits>>) {
        self.submitted += entries.len();
    }

    fn note(&mut self, _: Notice<u8>) {}
}

/// A shard that was loaded with aggregate 11, which waits for shard 1, and 12, which waits for shard 2.
struct Scene {
    shard: Shard<Waits>,
    world: World,
    /// How far shards 1 and 2 have applied what was sent to them: 5 to each.
    applied: [u64; 2],
}

impl Scene {
    fn loaded() -> Self {
        let mut scene = Self {
            shard: Shard::new(Waits, ME, LIMITS),
            world: World::default(),
            applied: [0, 0],
        };
        let head = scene.heads().remove(0).1;
        let opened = WriterSignal::Opened {
            generation: 1,
            term: 1,
            head,
        };
        scene.shard.signal(opened, &mut scene.world);
        scene.answer();
        scene
    }

    fn heads(&self) -> Vec<(u8, Head<u8>)> {
        let mut mine = Head::empty(1);
        mine.sent = [(1, 5), (2, 5)].into();
        let of = |shard: u8, applied: u64| {
            let mut head = Head::empty(1);
            head.watermarks = [(ME, applied)].into();
            (shard, head)
        };
        vec![(ME, mine), of(1, self.applied[0]), of(2, self.applied[1])]
    }

    /// Answers everything that was asked, also what is asked because of it.
    fn answer(&mut self) {
        while !self.world.asked.is_empty() {
            for (life, question) in std::mem::take(&mut self.world.asked) {
                let end = Duration::from_secs(60);
                let answer = match question {
                    Question::State => Answer::State(Ok(LoadedState {
                        waiting: vec![(11, end), (12, end)],
                        parked: Vec::new(),
                    })),
                    Question::Heads(_, HeadsFor::Links) => {
                        Answer::Heads(HeadsFor::Links, Ok(Vec::new()))
                    }
                    Question::Heads(_, reason) => Answer::Heads(reason, Ok(self.heads())),
                    Question::Aggregates(asked) => {
                        let read = [(11, Waiting(Some(1)), 1), (12, Waiting(Some(2)), 1)];
                        Answer::Aggregates(asked, Ok(read.into()))
                    }
                    other => panic!("nobody wants {other:?}"),
                };
                self.shard.answered(life, answer, &mut self.world);
            }
        }
    }

    fn run_until(&mut self, end: Duration) {
        while self.world.now < end {
            self.world.now += TICK;
            self.shard.tick(&mut self.world);
            self.answer();
        }
    }

    fn told(&mut self) -> Vec<u64> {
        self.world.told.iter().map(|(id, _)| *id).collect()
    }

    fn fail(&mut self) {
        for (id, decide) in std::mem::take(&mut self.world.told) {
            let done = PartDone {
                ticket: decide.ticket,
                part: decide.part,
                id,
                incarnation: decide.incarnation,
                outcome: Outcome::Failed("it cannot".to_owned()),
            };
            self.shard.part_done(done, &mut self.world);
            let committed = WriterSignal::Committed {
                generation: 1,
                ticket: decide.ticket,
            };
            self.shard.signal(committed, &mut self.world);
        }
    }

    fn health(&self) -> Health<u8> {
        self.shard.health(self.world.now, self.world.now)
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn one_whose_shard_is_confirmed_is_given_up_and_one_whose_shard_is_not_waits() {
    let mut scene = Scene::loaded();
    scene.applied = [5, 4];
    scene.run_until(secs(59));
    assert_eq!(scene.told(), Vec::<u64>::new());
    assert_eq!(scene.health().overdue, 0);
    scene.run_until(secs(65));
    assert_eq!(
        scene.told(),
        [11],
        "of shard 1, which has applied everything"
    );
    let stuck = scene.health().stuck;
    let of_12 = stuck.iter().find(|stuck| stuck.id == 12).unwrap();
    assert_eq!((&of_12.unconfirmed[..], of_12.was_told), (&[2][..], false));

    scene.applied = [5, 5];
    scene.run_until(secs(68));
    assert_eq!(scene.told(), [11, 12]);
}

#[test]
fn one_that_cannot_give_up_is_told_again_but_not_without_end() {
    let mut scene = Scene::loaded();
    scene.applied = [5, 4];
    let mut times = 0;
    for second in 60..100 {
        scene.run_until(secs(second));
        times += scene.told().len();
        scene.fail();
    }
    assert!((3..=5).contains(&times), "told {times} times in 40 s");
    assert_eq!(scene.health().aggregate_restarts_used_max, 1);
    let stuck = scene.health().stuck;
    let of_11 = stuck.iter().find(|stuck| stuck.id == 11).unwrap();
    assert!(of_11.was_told && of_11.unconfirmed.is_empty(), "{of_11:?}");
}

#[test]
fn what_gave_up_is_overdue_no_more() {
    let mut scene = Scene::loaded();
    scene.applied = [5, 4];
    scene.run_until(secs(62));
    let (id, decide) = scene.world.told.remove(0);
    let done = PartDone {
        ticket: decide.ticket,
        part: decide.part,
        id,
        incarnation: decide.incarnation,
        outcome: Outcome::Decided(Decided {
            events: vec!["given up"],
            state: Some(Waiting(None)),
            version: 2,
            at: scene.world.now,
        }),
    };
    scene.shard.part_done(done, &mut scene.world);
    assert_eq!(scene.world.submitted, 1);
    let committed = WriterSignal::Committed {
        generation: 1,
        ticket: Ticket(0),
    };
    scene.shard.signal(committed, &mut scene.world);
    assert_eq!(scene.health().overdue, 1);
    scene.run_until(secs(90));
    assert_eq!(scene.told(), Vec::<u64>::new());
}

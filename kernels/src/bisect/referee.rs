//! The state machine.

use blake3::hazmat::ChainingValue;

use super::claims::{Claims, ClaimsError, Side};
use super::leaf::{self, Leaf, first_difference};
use super::question::{MAX_ANSWER, MAX_LEVELS, Question, Tree};
use super::ruling::{Loss, Progress, Ruling, Undecidable};
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Job};
use crate::point::Span;
use crate::slices::{Opened, Stretch, open};
use crate::tree::{self, CHUNK, Node, VALUE};

/// Judges one dispute. See [the module](super) for how.
#[derive(Clone, Debug)]
pub struct Referee<'a> {
    job: &'a Job,
    inputs: &'a CheckedInputs<'a>,
    claims: [Claims; 2],
    /// The first entry of the traces that differs, once it is known.
    diverged: Option<Diverged>,
    /// Outputs that the dispute was about.
    visited: Vec<usize>,
    stage: Stage,
    answers: [Option<Result<Answer, Loss>>; 2],
    over: Option<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Diverged {
    entry: u64,
    /// The state after, by each side.
    after: [Blake3Digest; 2],
    /// The state before, by both; none before the first.
    before: Option<Blake3Digest>,
}

#[derive(Clone, Debug)]
enum Stage {
    /// The values of `node` differ; what is below it is asked for.
    Descend {
        tree: Tree,
        node: Node,
        values: [ChainingValue; 2],
    },
    /// This chunk differs, and is asked for.
    Chunk { tree: Tree, node: Node },
    /// What the point reads depends on bytes, and is asked for.
    Reads(Leaf),
    /// The bytes that the point reads are asked for.
    Judge(Leaf, Question),
}

/// An answer that belongs to what its side committed to.
#[derive(Clone, Debug)]
enum Answer {
    Nodes(Vec<ChainingValue>),
    Opened(Vec<Vec<u8>>),
    Reads(Vec<Span>),
}

/// What follows from two answers, or from a new subject.
enum Next {
    Stage(Stage),
    Ruling(Ruling),
}

impl<'a> Referee<'a> {
    /// Opens a dispute about `job` with these inputs.
    ///
    /// # Errors
    ///
    /// [`ClaimsError`]: there is none.
    pub fn new(
        job: &'a Job,
        inputs: &'a CheckedInputs<'a>,
        a: Claims,
        b: Claims,
    ) -> Result<Self, ClaimsError> {
        a.check(Side::A, job)?;
        b.check(Side::B, job)?;
        let mut outputs = a.outputs.iter().zip(&b.outputs);
        let first = outputs.position(|(a, b)| a != b).map(Tree::Output);
        let traces = (a.trace != b.trace).then_some(Tree::Trace);
        let tree = traces.or(first).ok_or(ClaimsError::Agree)?;
        let mut referee = Self {
            job,
            inputs,
            claims: [a, b],
            diverged: None,
            visited: Vec::new(),
            stage: Stage::Chunk {
                tree,
                node: Node::whole(0),
            },
            answers: [None, None],
            over: None,
        };
        referee.stage = referee.about(tree);
        Ok(referee)
    }

    /// What both sides are asked; none once it is over.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        self.over.is_none().then(|| self.stage.question())
    }

    /// Whether this side still has to answer the present question.
    #[must_use]
    pub fn awaits(&self, side: Side) -> bool {
        self.over.is_none() && self.answers[side.index()].is_none()
    }

    /// Takes a side's answer to the present question. A second one changes nothing.
    pub fn answer(&mut self, side: Side, bytes: &[u8]) -> Progress {
        if self.awaits(side) {
            let checked = self.check(side, bytes);
            self.answers[side.index()] = Some(checked);
        }
        self.proceed()
    }

    /// Time is up: whoever has not answered the present question loses.
    pub fn time_up(&mut self) -> Progress {
        if self.over.is_none() {
            for answer in &mut self.answers {
                answer.get_or_insert(Err(Loss::Unanswered));
            }
        }
        self.proceed()
    }

    fn proceed(&mut self) -> Progress {
        if let Some(over) = &self.over {
            return over.clone();
        }
        let [Some(a), Some(b)] = &self.answers else {
            return Progress::Waiting;
        };
        let answers = [a.clone(), b.clone()];
        self.answers = [None, None];
        let progress = match self.next(answers) {
            Ok(Next::Stage(stage)) => {
                self.stage = stage;
                return Progress::Ask(self.stage.question());
            }
            Ok(Next::Ruling(ruling)) => Progress::Decided(ruling),
            Err(reason) => Progress::Undecidable(reason),
        };
        self.over = Some(progress.clone());
        progress
    }

    /// The first question about a tree whose digests differ.
    fn about(&self, tree: Tree) -> Stage {
        let total = tree.len(self.job).unwrap_or_default();
        let values = Side::BOTH.map(|side| *self.root(side, tree).as_bytes());
        Stage::at(tree, Node::whole(total), values)
    }

    /// The digest that a side committed to; that of an unknown state is one that nothing has.
    fn root(&self, side: Side, tree: Tree) -> Blake3Digest {
        let claims = &self.claims[side.index()];
        let found = match (tree, self.diverged) {
            (Tree::Trace, _) => claims.trace.map(|trace| trace.digest),
            (Tree::Output(index), _) => claims.outputs.get(index).copied(),
            (Tree::State(entry), Some(diverged)) if entry == diverged.entry => {
                Some(diverged.after[side.index()])
            }
            (Tree::State(entry), Some(diverged)) if entry + 1 == diverged.entry => diverged.before,
            (Tree::State(_), _) => None,
        };
        found.unwrap_or(Blake3Digest::from_bytes([0; 32]))
    }
}

/// Answers, each against what its side committed to.
impl Referee<'_> {
    fn check(&self, side: Side, bytes: &[u8]) -> Result<Answer, Loss> {
        let question = self.stage.question();
        let expected = question.answer_len(self.job).unwrap_or_default();
        let actual = bytes.len() as u64;
        let bound_alone = matches!(question, Question::Reads { .. });
        if actual > expected || (!bound_alone && actual < expected) {
            return Err(Loss::Length { expected, actual });
        }
        match &question {
            Question::Nodes { levels, .. } => self.check_nodes(side, *levels, bytes),
            Question::Open(stretches) => self.check_slices(side, stretches, bytes),
            Question::Reads { .. } => {
                let spans = leaf::hinted(self.job, bytes);
                spans.map(Answer::Reads).ok_or(Loss::ReadsIncomplete)
            }
        }
    }

    fn check_nodes(&self, side: Side, levels: u32, bytes: &[u8]) -> Result<Answer, Loss> {
        let Stage::Descend { tree, node, values } = &self.stage else {
            return Err(Loss::NotCommitted);
        };
        let below: &[ChainingValue] = bytes.as_chunks().0;
        let is_root = tree.len(self.job) == Some(node.len);
        let above = tree::from_below(*node, levels, is_root, &mut below.iter().copied());
        if above == Some(values[side.index()]) {
            Ok(Answer::Nodes(below.to_vec()))
        } else {
            Err(Loss::NotCommitted)
        }
    }

    fn check_slices(
        &self,
        side: Side,
        stretches: &[(Tree, u64, u64)],
        mut bytes: &[u8],
    ) -> Result<Answer, Loss> {
        let mut opened = Vec::with_capacity(stretches.len());
        for (tree, start, len) in stretches {
            let stretch = Stretch {
                start: *start,
                len: *len,
            };
            let total = tree.len(self.job).ok_or(Loss::NotCommitted)?;
            let slice_len = stretch.slice_len(total).unwrap_or_default();
            let split = bytes.split_at_checked(slice_len as usize);
            let (slice, rest) = split.ok_or(Loss::NotCommitted)?;
            let found = open(self.root(side, *tree), total, stretch, slice);
            opened.push(found.map_err(|_| Loss::NotCommitted)?);
            bytes = rest;
        }
        Ok(Answer::Opened(opened))
    }
}

/// What follows from both answers.
impl Referee<'_> {
    fn next(&mut self, answers: [Result<Answer, Loss>; 2]) -> Result<Next, Undecidable> {
        let stage = self.stage.clone();
        match (stage, answers) {
            (Stage::Judge(leaf, question), answers) => self.judge(&leaf, &question, answers),
            (Stage::Reads(leaf), answers) => self.open_reads(leaf, answers),
            (Stage::Descend { tree, node, .. }, [Ok(Answer::Nodes(a)), Ok(Answer::Nodes(b))]) => {
                descend(tree, node, &a, &b)
            }
            (Stage::Chunk { tree, node }, [Ok(Answer::Opened(a)), Ok(Answer::Opened(b))]) => {
                let chunks = [a, b].map(|opened| opened.concat());
                match tree {
                    Tree::Trace => self.diverge(node, &chunks),
                    _ => self.meet(Leaf::new(self.job, tree, node.start, chunks)?),
                }
            }
            (_, answers) => Ok(Next::Ruling(lost(&answers))),
        }
    }

    /// From the chunk of the traces that differs, and the one before it, to the state that differs.
    fn diverge(&mut self, node: Node, chunks: &[Vec<u8>; 2]) -> Result<Next, Undecidable> {
        let first = first_difference(chunks).ok_or(Undecidable::Collision)?;
        let start = trace_stretch(node)[0];
        let within = first / VALUE;
        let at = |side: usize, index: u64| {
            let entries: &[[u8; 32]] = chunks[side].as_chunks().0;
            let found = entries.get(index as usize).copied();
            Blake3Digest::from_bytes(found.unwrap_or_default())
        };
        let entry = start / VALUE + within;
        self.diverged = Some(Diverged {
            entry,
            after: [at(0, within), at(1, within)],
            before: within.checked_sub(1).map(|before| at(0, before)),
        });
        if self.job.steps().is_none() {
            return Err(Undecidable::TraceNotRecomputable);
        }
        Ok(Next::Stage(self.about(Tree::State(entry))))
    }

    /// Asks for what a point reads, unless the dispute has to move there.
    fn meet(&mut self, leaf: Leaf) -> Result<Next, Undecidable> {
        let own = leaf.output();
        self.visited.extend(own);
        let needs = leaf.needs(self.job);
        for span in &needs {
            let Some(Tree::Output(read)) = Tree::of(span.tensor, self.job) else {
                continue;
            };
            let [a, b] = Side::BOTH.map(|side| self.root(side, Tree::Output(read)));
            let agreed = a == b || (own == Some(read) && leaf.reads_only_before(span));
            if agreed {
                continue;
            }
            if self.visited.contains(&read) {
                return Err(Undecidable::ReadsCyclic);
            }
            return Ok(Next::Stage(self.about(Tree::Output(read))));
        }
        let question = leaf::opening(self.job, needs);
        match (question.answer_len(self.job), leaf.point()) {
            (Some(0), _) => self.judge(&leaf, &question, [(); 2].map(|()| nothing())),
            (Some(_), _) => Ok(Next::Stage(Stage::Judge(leaf, question))),
            (None, Some(_)) => Ok(Next::Stage(Stage::Reads(leaf))),
            (None, None) => Err(Undecidable::LeafTooLarge),
        }
    }

    /// Asks for what both sides together say the point reads. All of it is agreed on, so one honest side says enough.
    fn open_reads(
        &self,
        leaf: Leaf,
        answers: [Result<Answer, Loss>; 2],
    ) -> Result<Next, Undecidable> {
        let answers = answers.map(|answer| self.small_enough(answer?));
        let mut spans = Vec::new();
        for answer in &answers {
            let Ok(Answer::Reads(named)) = answer else {
                return Ok(Next::Ruling(lost(&answers)));
            };
            spans.extend(named);
        }
        let question = leaf::opening(self.job, spans);
        match question.answer_len(self.job) {
            Some(_) => Ok(Next::Stage(Stage::Judge(leaf, question))),
            None => Err(Undecidable::LeafTooLarge),
        }
    }

    /// Half of what may be asked for: no side can name so much that what the other one names has no room.
    fn small_enough(&self, answer: Answer) -> Result<Answer, Loss> {
        let Answer::Reads(spans) = &answer else {
            return Ok(answer);
        };
        let len = leaf::opening(self.job, spans.iter().copied()).answer_len(self.job);
        match len.is_some_and(|len| len <= MAX_ANSWER / 2) {
            true => Ok(answer),
            false => Err(Loss::ReadsTooLarge),
        }
    }

    /// Recomputes the point from what either side opened.
    fn judge(
        &self,
        leaf: &Leaf,
        question: &Question,
        answers: [Result<Answer, Loss>; 2],
    ) -> Result<Next, Undecidable> {
        let opened = answers.iter().find_map(|answer| match answer {
            Ok(Answer::Opened(bytes)) => Some(bytes),
            _ => None,
        });
        let Some(bytes) = opened else {
            return Ok(Next::Ruling(lost(&answers)));
        };
        let mut slices = Opened::new(self.inputs);
        if let Question::Open(stretches) = question {
            for ((tree, start, _), bytes) in stretches.iter().zip(bytes) {
                if let Some(tensor) = tree.tensor(self.job) {
                    slices.insert(tensor, *start, bytes.clone());
                }
            }
        }
        let Ok(fault) = leaf.judge(self.job, &slices) else {
            return self.incomplete(leaf);
        };
        let loss_of = |side: Side| {
            let wrong = fault.actual[side.index()] != fault.expected;
            let answered = answers[side.index()].as_ref().err().copied();
            let loss = answered.or(wrong.then_some(Loss::Wrong))?;
            Some((side, loss))
        };
        let losers: Vec<_> = Side::BOTH.into_iter().filter_map(loss_of).collect();
        let fault = Some(fault);
        Ok(Next::Ruling(Ruling { losers, fault }))
    }

    /// A point read what was not opened: of what the sides named, or the kernel itself.
    fn incomplete(&self, leaf: &Leaf) -> Result<Next, Undecidable> {
        let needs = leaf::opening(self.job, leaf.needs(self.job));
        if needs.answer_len(self.job).is_some() {
            return Err(Undecidable::NeedsIncomplete);
        }
        let losers = Side::BOTH
            .map(|side| (side, Loss::ReadsIncomplete))
            .to_vec();
        Ok(Next::Ruling(Ruling {
            losers,
            fault: None,
        }))
    }
}

impl Stage {
    fn at(tree: Tree, node: Node, values: [ChainingValue; 2]) -> Self {
        if node.len <= CHUNK {
            return Self::Chunk { tree, node };
        }
        Self::Descend { tree, node, values }
    }

    fn question(&self) -> Question {
        match self {
            Self::Descend { tree, node, .. } => Question::Nodes {
                tree: *tree,
                start: node.start,
                len: node.len,
                levels: MAX_LEVELS,
            },
            Self::Chunk { tree, node } => {
                let [start, end] = match tree {
                    Tree::Trace => trace_stretch(*node),
                    _ => [node.start, node.end()],
                };
                Question::Open(vec![(*tree, start, end - start)])
            }
            Self::Reads(leaf) => Question::Reads {
                point: leaf.point().unwrap_or_default(),
            },
            Self::Judge(_, question) => question.clone(),
        }
    }
}

/// A chunk of the trace and the one before it: the state before the first entry of a chunk is named there.
const fn trace_stretch(node: Node) -> [u64; 2] {
    [node.start.saturating_sub(CHUNK), node.end()]
}

/// The first node below that differs.
fn descend(
    tree: Tree,
    node: Node,
    a: &[ChainingValue],
    b: &[ChainingValue],
) -> Result<Next, Undecidable> {
    let mut below = node.below(MAX_LEVELS).into_iter().zip(a.iter().zip(b));
    let differs = below.find(|(_, (a, b))| a != b);
    let (node, (a, b)) = differs.ok_or(Undecidable::Collision)?;
    Ok(Next::Stage(Stage::at(tree, node, [*a, *b])))
}

/// An answer to no question.
const fn nothing() -> Result<Answer, Loss> {
    Ok(Answer::Opened(Vec::new()))
}

/// Those whose answers were none.
fn lost(answers: &[Result<Answer, Loss>; 2]) -> Ruling {
    let pairs = Side::BOTH.into_iter().zip(answers);
    let losers = pairs.filter_map(|(side, answer)| Some((side, answer.as_ref().err().copied()?)));
    Ruling {
        losers: losers.collect(),
        fault: None,
    }
}

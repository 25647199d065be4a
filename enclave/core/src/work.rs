//! Jobs: the cryptography that needs no decision. The owner thread makes them, any thread runs them, and the owner
//! looks at the lease again before an operation's result leaves (T-61).

use crate::challenge::ChallengeTask;
use crate::envelope::ReplyTo;
use crate::import::ImportTask;
use crate::operate::{OperateTask, Operated};
use crate::session::OpenTask;
use cofferdam_wire::Code;

/// Something to compute. Pure: it changes nothing.
pub struct Job(pub(crate) Task);

pub(crate) enum Task {
    Import(ReplyTo, Box<ImportTask>),
    Challenge(ReplyTo, Box<ChallengeTask>),
    OpenSession(ReplyTo, Box<OpenTask>),
    Operate(Box<OperateTask>),
}

/// The result of a job, to be given back as [`crate::Input::Done`].
pub struct Done(pub(crate) Finished);

pub(crate) enum Finished {
    Reply(ReplyTo, Result<Vec<u8>, Code>),
    Operated(Box<Operated>),
}

impl Job {
    /// Computes.
    pub fn run(self) -> Done {
        Done(match self.0 {
            Task::Import(to, task) => Finished::Reply(to, task.run()),
            Task::Challenge(to, task) => Finished::Reply(to, task.run()),
            Task::OpenSession(to, task) => Finished::Reply(to, task.run()),
            Task::Operate(task) => Finished::Operated(Box::new(task.run())),
        })
    }
}

//! What a server of the tests answered, and what a test may claim of it.

use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub enum Reply {
    /// An envelope, opened.
    Answered(Value),
    /// An HTTP status instead, and after how many seconds to try again.
    Rejected(u16, Option<u64>),
}

impl Reply {
    /// The answer of a request that was done.
    #[track_caller]
    pub fn done(&self) -> &Value {
        match self {
            Self::Answered(answer) if answer["success"] == true => {
                assert!(answer.get("failure_reason").is_none(), "{answer}");
                &answer["response"]
            }
            other => panic!("this was not done: {other:?}"),
        }
    }

    /// The answer of a request that was refused for this reason.
    #[track_caller]
    pub fn refused(&self, reason: &str) -> &Value {
        match self {
            Self::Answered(answer) if answer["success"] == false => {
                assert_eq!(answer["failure_reason"], reason, "{answer}");
                assert_eq!(answer["response"]["failure_reason"], reason, "{answer}");
                &answer["response"]
            }
            other => panic!("this was not refused: {other:?}"),
        }
    }

    /// The answer, whatever it says.
    #[track_caller]
    pub fn response(&self) -> &Value {
        let Self::Answered(answer) = self else { panic!("{self:?}") };
        &answer["response"]
    }

    /// The answer of a request that was refused without a reason.
    #[track_caller]
    pub fn refused_without_reason(&self) -> &Value {
        match self {
            Self::Answered(answer) if answer["success"] == false => {
                assert!(answer.get("failure_reason").is_none(), "{answer}");
                assert!(answer["response"].get("failure_reason").is_none(), "{answer}");
                &answer["response"]
            }
            other => panic!("this was not refused: {other:?}"),
        }
    }

    /// That nothing but this HTTP status was answered.
    #[track_caller]
    pub fn rejected(&self, status: u16) {
        assert!(matches!(self, Self::Rejected(rejected, _) if *rejected == status), "{self:?}");
    }

    /// That the server could not find out, and told when to try again.
    #[track_caller]
    pub fn unavailable(&self) {
        assert!(matches!(self, Self::Rejected(503, Some(1..))), "{self:?}");
    }

    /// Whether it was done.
    pub fn succeeded(&self) -> bool {
        matches!(self, Self::Answered(answer) if answer["success"] == true)
    }

    /// The messages for the end user.
    #[track_caller]
    pub fn messages(&self) -> Vec<String> {
        let Self::Answered(answer) = self else { panic!("{self:?}") };
        let messages = answer["messages"].as_array().expect("a list of messages");
        messages.iter().map(|message| message.as_str().expect("messages are texts").to_owned()).collect()
    }
}

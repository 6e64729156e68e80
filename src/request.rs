//! How a request is declared, once: `requests!` makes of one declaration the typed struct, the parameter table,
//! the parser that reports every problem at once, and the row in the registry.

use crate::app::Call;
use crate::json::{WipedObject, wipe};
use crate::outcome::{Answer, Failure, Problem, Refusal};
use crate::shape::Shape;
use crate::wire::{FromWire, Object, is_falsy};
use serde_json::Value;

/// One parameter of a request.
#[derive(Clone, Copy)]
pub struct Param {
    /// Its name in the request's body.
    pub name: &'static str,
    /// A second name under which it is accepted too.
    pub alias: Option<&'static str>,
    /// What it means.
    pub doc: &'static str,
    /// The types it may have, in the wire's words.
    pub types: &'static [&'static str],
    /// Whether it must be there.
    pub required: bool,
    /// What an object may hold, where that is not for the caller to choose.
    pub members: &'static [Self],
}

impl Param {
    /// The types as a problem list shows them: one word, or a list for a union.
    #[must_use]
    pub fn required_type(&self) -> Value {
        match self.types {
            [word] => (*word).into(),
            types => types.into(),
        }
    }

    /// Whether it names the account by its e-mail address.
    #[must_use]
    pub fn is_email(&self) -> bool {
        matches!(self.name, "email" | "email_address")
    }

    fn problem(&self, problem: &'static str) -> Problem {
        Problem {
            param: self.name,
            problem,
            required_type: self.required_type(),
            required_param: self.required,
        }
    }

    /// Takes the parameter, noting a problem when it is missing or of another type.
    pub fn take<T: FromWire>(&self, body: &mut Object, problems: &mut Vec<Problem>) -> Option<T> {
        let Some(value) = self.value(body) else {
            problems.push(self.problem("missing"));
            return None;
        };
        let taken = T::from_wire(value).map_err(|value| {
            wipe(value);
            problems.push(self.problem("incorrect type"));
        });
        taken.ok()
    }

    /// Takes a parameter that may be left out. Null, and an empty value of another type, count as left out.
    pub fn take_optional<T: FromWire>(&self, body: &mut Object, problems: &mut Vec<Problem>) -> Option<T> {
        let value = self.value(body).filter(|value| !value.is_null())?;
        match T::from_wire(value) {
            Ok(taken) => Some(taken),
            Err(value) => {
                if !is_falsy(&value) {
                    problems.push(self.problem("incorrect type"));
                }
                wipe(value);
                None
            }
        }
    }

    fn value(&self, body: &mut Object) -> Option<Value> {
        let aliased = self.alias.and_then(|alias| body.remove(alias));
        body.remove(self.name).or(aliased)
    }
}

/// What asking once more does, for whoever does not know whether the first time was carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// Nothing: it only reads.
    Reads,
    /// Nothing more than the first time did. Where that was carried out, it may be refused, as what it was about is gone or there.
    Same,
    /// Something more, such as another session, email or guess at a password.
    More,
}

impl Repeat {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Same => "same",
            Self::More => "more",
        }
    }
}

/// What became of a request: problems with its parameters, or what its action says.
pub type Handled = Result<Result<Answer, Failure>, Vec<Problem>>;

/// One request of the API.
pub struct Request {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Its parameters, the required ones first.
    pub params: &'static [Param],
    /// How often a client may ask it per minute, where that is less than its group's limit.
    pub per_minute: Option<u32>,
    /// What is answered when the server could not find out; HTTP 503 where there is none.
    pub broken: Option<&'static Refusal>,
    /// What asking once more does.
    pub repeat: Repeat,
    /// What its answer has, beside `success` and `messages`, when it was done.
    pub answers: &'static Shape,
    /// The ways in which it says no.
    pub refusals: &'static [&'static Refusal],
    /// Takes the parameters out of the body and acts.
    pub handle: fn(&mut Call<'_>, WipedObject) -> Handled,
}

/// Declares the requests of a file of `api/`. See [`crate::request`].
#[macro_export]
macro_rules! requests {
    ($(
        $(#[doc = $doc:literal])+
        $wire_name:literal => $handle:ident($Params:ident) $(, $per_minute:literal / min)? $(, broken $broken:ident)?
            $(, repeat $repeat:ident)? {
            $( $(#[doc = $param_doc:literal])+ $param:ident $(as $shown:ident)? $(or $alias:ident)?: $($word:ident)|+ $(of $members:ident)? ),* $(,)?
        } $(optional {
            $( $(#[doc = $opt_doc:literal])+ $opt:ident: $($opt_word:ident)|+ ),* $(,)?
        })? $(with $group:ident of $Group:ident)? $(answers $Answer:ident $({
            $( $(#[doc = $answer_doc:literal])+ $answer:ident: $answer_type:ty ),* $(,)?
        })?)? $(refuses [$($refusal:ident),* $(,)?])?
    )+) => {
        $(
            $(#[doc = $doc])+
            struct $Params {
                $( $(#[doc = $param_doc])+ $param: $crate::wire_type!($($word)|+), )*
                $($( $(#[doc = $opt_doc])+ $opt: Option<$crate::wire_type!($($opt_word)|+)>, )*)?
                $( $group: $Group, )?
            }

            impl $Params {
                const PARAMS: &'static [$crate::request::Param] = $crate::requests!(@joined $Params $($Group)?);

                const OWN: &'static [$crate::request::Param] = &[
                    $( $crate::request::Param {
                        name: $crate::requests!(@name $param $($shown)?),
                        alias: $crate::requests!(@alias $($alias)?),
                        doc: concat!($($param_doc, "\n"),+),
                        types: &[$($crate::wire_word!($word)),+],
                        required: true,
                        members: $crate::requests!(@members $($members)?),
                    }, )*
                    $($( $crate::request::Param {
                        name: stringify!($opt),
                        alias: None,
                        doc: concat!($($opt_doc, "\n"),+),
                        types: &[$($crate::wire_word!($opt_word)),+],
                        required: false,
                        members: &[],
                    }, )*)?
                ];

                #[allow(unused_mut, unused_variables, unused_assignments, reason = "a request may have no parameters of one kind")]
                fn take(mut body: $crate::json::WipedObject) -> Result<Self, Vec<$crate::outcome::Problem>> {
                    let mut problems = Vec::new();
                    let mut table = Self::OWN.iter();
                    let mut next = || table.next().expect("the table has a row for every field, in the fields' order");
                    $( let $param = next().take(&mut body, &mut problems); )*
                    $($( let $opt = next().take_optional(&mut body, &mut problems); )*)?
                    $( let $group = $Group::take(&mut body, &mut problems); )?
                    match ($($param,)* $($group,)?) {
                        ($(Some($param),)* $(Some($group),)?) if problems.is_empty() => Ok(Self { $($param,)* $($($opt,)*)? $($group)? }),
                        _ => Err(problems),
                    }
                }
            }

            $($($crate::shape! {
                #[doc = concat!("What `", $wire_name, "` answers.")]
                struct $Answer {
                    $( $(#[doc = $answer_doc])+ $answer: $answer_type, )*
                }
            })?)?
        )+

        /// The requests that this file answers.
        pub const REQUESTS: &[$crate::request::Request] = &[
            $( $crate::request::Request {
                name: $wire_name,
                doc: concat!($($doc, "\n"),+),
                params: $Params::PARAMS,
                per_minute: $crate::requests!(@per_minute $($per_minute)?),
                broken: $crate::requests!(@broken $($broken)?),
                repeat: $crate::requests!(@repeat $($repeat)?),
                answers: <$crate::requests!(@answer $($Answer)?)>::SHAPE,
                refusals: &[$($(&$refusal),*)?],
                handle: |call, body| {
                    let ask = $Params::take(body)?;
                    let outcome: $crate::outcome::Outcome<$crate::requests!(@answer $($Answer)?)> = $handle(call, ask);
                    Ok(outcome.map($crate::outcome::Done::into_answer))
                },
            }, )+
        ];
    };
    (@joined $Params:ident) => { $Params::OWN };
    (@joined $Params:ident $Group:ident) => {
        &$crate::request::joined::<{ $Params::OWN.len() + $Group::PARAMS.len() }>($Params::OWN, $Group::PARAMS)
    };
    (@members) => { &[] };
    (@members $members:ident) => { $members };
    (@answer) => { $crate::outcome::Empty };
    (@answer $Answer:ident) => { $Answer };
    (@name $param:ident) => { stringify!($param) };
    (@name $param:ident $shown:ident) => { stringify!($shown) };
    (@alias) => { None };
    (@alias $alias:ident) => { Some(stringify!($alias)) };
    (@per_minute) => { None };
    (@per_minute $per_minute:literal) => { Some($per_minute) };
    (@repeat) => { $crate::request::Repeat::More };
    (@repeat reads) => { $crate::request::Repeat::Reads };
    (@repeat same) => { $crate::request::Repeat::Same };
    (@broken) => { None };
    (@broken $broken:ident) => { Some(&$broken) };
}

/// Declares parameters that several requests have, required ones and then `optional` ones. They say `with field of Group`. See
/// [`crate::request`].
#[macro_export]
macro_rules! shared_params {
    (
        $(#[doc = $doc:literal])+
        struct $Group:ident {
            $( $(#[doc = $doc_of:literal])+ $param:ident: $($word:ident)|+ ),* $(,)?
        } optional {
            $( $(#[doc = $opt_doc:literal])+ $opt:ident: $($opt_word:ident)|+ ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        struct $Group {
            $( $(#[doc = $doc_of])+ $param: $crate::wire_type!($($word)|+), )*
            $( $(#[doc = $opt_doc])+ $opt: Option<$crate::wire_type!($($opt_word)|+)>, )*
        }

        impl $Group {
            const PARAMS: &'static [$crate::request::Param] = &[
                $( $crate::members!(@row true, $param, [$($word)|+], [$($doc_of),+]), )*
                $( $crate::members!(@row false, $opt, [$($opt_word)|+], [$($opt_doc),+]), )*
            ];

            fn take(body: &mut $crate::wire::Object, problems: &mut Vec<$crate::outcome::Problem>) -> Option<Self> {
                let mut table = Self::PARAMS.iter();
                let mut next = || table.next().expect("the table has a row for every field, in the fields' order");
                $( let $param = next().take(body, problems); )*
                $( let $opt = next().take_optional(body, problems); )*
                Some(Self { $($param: $param?,)* $($opt,)* })
            }
        }
    };
}

/// The parameters of a request and then those that it shares, in one table.
///
/// # Panics
///
/// With a `COUNT` that is not theirs. Used in a `const`, that stops the build.
#[must_use]
pub const fn joined<const COUNT: usize>(own: &[Param], shared: &[Param]) -> [Param; COUNT] {
    assert!(COUNT == own.len() + shared.len() && COUNT > 0, "there is a row for every parameter");
    let mut rows = [if own.is_empty() { shared[0] } else { own[0] }; COUNT];
    let mut row = 0;
    while row < COUNT {
        rows[row] = if row < own.len() { own[row] } else { shared[row - own.len()] };
        row += 1;
    }
    rows
}

/// Declares what an object in a request may hold, for the documentation: `required` members, then `optional` ones. See
/// [`crate::request`].
#[macro_export]
macro_rules! members {
    (
        $(#[doc = $doc:literal])+
        $visibility:vis $Name:ident {
            $( $(#[doc = $required_doc:literal])+ $required:ident: $($required_word:ident)|+ ),* $(,)?
        } optional {
            $( $(#[doc = $optional_doc:literal])+ $optional:ident: $($optional_word:ident)|+ ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        $visibility const $Name: &[$crate::request::Param] = &[
            $( $crate::members!(@row true, $required, [$($required_word)|+], [$($required_doc),+]), )*
            $( $crate::members!(@row false, $optional, [$($optional_word)|+], [$($optional_doc),+]), )*
        ];
    };
    (@row $is_required:literal, $name:ident, [$($word:ident)|+], [$($doc:literal),+]) => {
        $crate::request::Param {
            name: stringify!($name),
            alias: None,
            doc: concat!($($doc, "\n"),+),
            types: &[$($crate::wire_word!($word)),+],
            required: $is_required,
            members: &[],
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn named(name: &'static str) -> Param {
        Param { name, alias: None, doc: "", types: &["str"], required: false, members: &[] }
    }

    #[test]
    fn shared_parameters_come_after_a_requests_own() {
        const BOTH: [Param; 3] = joined(&[named("a"), named("b")], &[named("c")]);
        const SHARED: [Param; 1] = joined(&[], &[named("c")]);
        assert_eq!(BOTH.map(|param| param.name), ["a", "b", "c"]);
        assert_eq!(SHARED.map(|param| param.name), ["c"]);
    }

    #[test]
    #[should_panic(expected = "a row for every parameter")]
    fn no_row_is_left_out() {
        let _: [Param; 1] = joined(&[named("a")], &[named("b")]);
    }
}

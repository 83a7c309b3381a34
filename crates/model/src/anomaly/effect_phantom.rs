//! effect-phantom: an application did something of a record that there never was.

use super::{Definition, fact};

pub(super) const DEFINITION: Definition = Definition {
    name: "effect-phantom",
    meaning: "An application did something of a record that was not sent.",
    definition: "Effects whose identity is that of no record that was sent; in an output topic, which the run \
        made, also those whose identity is damaged or of another run.",
    excludes: &[
        "An effect without an identity in its place, and a line of a listing with another one: it may \
         be of anything, so that the verdict is INCONCLUSIVE.",
    ],
    jepsen: None,
    permitted_by: &[fact(
        "An application that makes up, cuts or changes identities.",
        "Application",
    )],
    prevented_by: &[fact("The identity carried on as it came.", "Application")],
    history: "\
the application reads t as g
p0/0 is sent to t-0 and acknowledged at t-0@0
t-0 is read from 0: p0/0
the application committed t-0@1
an effect of p0/0 is listed
an effect of p0/7 is listed
the effects are read
",
    found_too: &[],
    twin: "\
the application reads t as g
p0/0 is sent to t-0 and acknowledged at t-0@0
p0/7 is sent to t-0 and acknowledged at t-0@1
t-0 is read from 0: p0/0, p0/7
the application committed t-0@2
an effect of p0/0 is listed
an effect of p0/7 is listed
the effects are read
",
};

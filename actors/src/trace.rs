//! Which request of a client something goes back to, as W3C Trace Context has it.
//!
//! An edge that was given a `traceparent` runs its call [`within`] it. What the call asks of shards carries it, each
//! record that follows from it has it in the journal and in its message, and so has what follows from those. This shop
//! adds no spans to such a trace: it hands on what it was given, and nothing where it was given nothing.

use storage::TraceContext;

/// The target of spans that tell how long the stages of an order take: `request`, `place`, `shard`, `decide`, `commit`,
/// `store`, `publish`. `STAMPEDE_LOG=info,stage=debug` has them told, `stage=trace` those of single turns as well; while they
/// are off they cost a comparison.
pub const STAGE: &str = "stage";

/// The layout of version 0, the only one there is, has so many characters; later ones may only add to its end.
const LENGTH_OF_VERSION_0: usize = 55;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Carries a call out as part of this request.
pub async fn within<F: Future>(trace: TraceContext, call: F) -> F::Output {
    CURRENT.scope(trace, call).await
}

/// The request that this task is part of, if that is known.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|trace| *trace).ok()
}

/// The request that a `traceparent` names: `version-traceid-parentid-flags` in lower-case hexadecimal digits, neither id
/// zero and the version not `ff`. One that is malformed is as good as none.
#[must_use]
pub fn parse(traceparent: &str) -> Option<TraceContext> {
    let mut parts = traceparent.splitn(5, '-');
    let [version] = hex::<1>(parts.next()?)?;
    let trace_id = hex(parts.next()?)?;
    let span_id = hex(parts.next()?)?;
    let _flags: [u8; 1] = hex(parts.next()?)?;
    let is_valid = version != 0xff
        && (version != 0 || traceparent.len() == LENGTH_OF_VERSION_0)
        && trace_id != [0; 16]
        && span_id != [0; 8];
    is_valid.then_some(TraceContext { trace_id, span_id })
}

fn hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != BYTES * 2 {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_is_read_as_it_was_given() {
        let trace = parse(GIVEN).unwrap();
        assert_eq!(
            u128::from_be_bytes(trace.trace_id),
            0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736
        );
        assert_eq!(u64::from_be_bytes(trace.span_id), 0x00f0_67aa_0ba9_02b7);
        assert_eq!(
            parse(&format!("cc{}-more", &GIVEN[2..])),
            Some(trace),
            "a later version"
        );
    }

    #[test]
    fn a_malformed_one_is_as_good_as_none() {
        for text in [
            "",
            "00",
            &GIVEN[..52],
            &format!("{GIVEN}-more"),
            &GIVEN.replace('a', "A"),
            &GIVEN.replacen("00", "ff", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_call_knows_what_it_is_part_of() {
        let trace = parse(GIVEN).unwrap();
        assert_eq!(current(), None);
        assert_eq!(within(trace, async { current() }).await, Some(trace));
        assert_eq!(current(), None);
    }
}

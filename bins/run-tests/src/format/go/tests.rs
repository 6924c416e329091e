use super::super::{failure, read};
use super::*;

#[test]
fn a_stream_that_ends_in_the_middle_is_an_error_of_what_ran() {
    let stream = r#"{"Action":"start","Package":"e/p"}
{"Action":"run","Package":"e/p","Test":"TestA"}
{"Action":"pass","Package":"e/p","Test":"TestA","Elapsed":0}
{"Action":"run","Package":"e/p","Test":"TestB"}
{"Action":"start","Package":"e/q"}"#;
    assert_eq!(
        read(Go::new(false, Sources::default()), stream, &failure()),
        "[e/p] TestA passed\n\
         [e/p] TestB error the output ended (exit code 101) while this test ran\n\
         [e/q] no result error the output ended (exit code 101) before the package did\n"
    );
}

#[test]
fn the_end_of_a_test_in_a_line_of_its_own_output_is_seen() {
    // As Go 1.26 tells it now and then.
    let stream = |last: &str| {
        [
            r#"{"Action":"run","Package":"e/p","Test":"TestA"}"#,
            r#"{"Action":"output","Package":"e/p","Test":"TestA","Output":"x--- PASS: TestA (0.00s)\n"}"#,
            last,
            r#"{"Action":"output","Package":"e/p","Output":"PASS\n"}"#,
            r#"{"Action":"pass","Package":"e/p","Elapsed":0.1}"#,
        ]
        .join("\n")
    };
    let read = |last| {
        read(
            Go::new(false, Sources::default()),
            &stream(last),
            &End::Success,
        )
    };
    assert_eq!(read(""), "[e/p] TestA passed\n");
    let on = r#"{"Action":"output","Package":"e/p","Test":"TestA","Output":"it goes on\n"}"#;
    assert!(read(on).contains("[e/p] TestA error no end of this test was seen"));
}

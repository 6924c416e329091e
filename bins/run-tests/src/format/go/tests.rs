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

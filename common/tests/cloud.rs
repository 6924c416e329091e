//! The `gs://` bucket and a real object store, with a network between them that fails.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use common::Exit;
use common::bucket::{Attributes, Bucket, Encoding, MediaTypes, ObjectName, Present, Sent};
use common::env::Env;
use e2e::{Fault, ObjectStore};

const UPLOAD: &[&str] = &["/upload/storage/v1/b/bucket/o"];

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// A store with a bucket, seen through the proxy.
fn store() -> (ObjectStore, Bucket) {
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    let env = [("STORAGE_EMULATOR_HOST", store.url())];
    let bucket = Bucket::parse("gs://bucket", &env.into_iter().collect()).unwrap();
    (store, bucket)
}

fn name(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, content).unwrap();
    file
}

/// Uploads as the name says, knowing nothing of what is there.
async fn sync(bucket: &Bucket, object: &str, content: &[u8]) -> common::Result<Option<Sent>> {
    let object = name(object);
    let attributes = Attributes::of(&object, &MediaTypes::default());
    let present = Present::default();
    bucket
        .sync(&object, file(content), &attributes, &present)
        .await
}

fn pattern(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(size).collect()
}

#[test]
fn what_is_written_is_read_listed_replaced_and_removed() {
    let (store, bucket) = store();
    on_a_runtime(async {
        let folder = name("logs/e2e/7");
        assert_eq!(bucket.read(&name("logs/e2e/7/a")).await.unwrap(), None);
        assert_eq!(bucket.list(&folder).await.unwrap(), []);
        bucket.write(&name("logs/e2e/7/a"), b"one").await.unwrap();
        bucket.write(&name("logs/e2e/7/a"), b"two").await.unwrap();
        bucket.write(&name("logs/e2e/70"), b"other").await.unwrap();
        // What the console calls a folder, and a part of an upload under way.
        store.write("bucket", "logs/e2e/7/", b"");
        store.write("bucket", "logs/e2e/7/.being-written-1-00", b"x");
        let listed = bucket.list(&folder).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].name.as_str(), listed[0].size),
            ("logs/e2e/7/a", 3)
        );
        let read = bucket.read(&name("logs/e2e/7/a")).await.unwrap();
        assert_eq!(read.unwrap(), b"two");

        let present = bucket.present(&folder).await.unwrap();
        let names: Vec<ObjectName> = present.names().collect();
        assert!(names.contains(&name("logs/e2e/7/a")));
        bucket
            .remove(&name("logs/e2e/7/a"), &present)
            .await
            .unwrap();
        bucket
            .remove(&name("logs/e2e/7/a"), &present)
            .await
            .unwrap();
        assert_eq!(bucket.read(&name("logs/e2e/7/a")).await.unwrap(), None);
    });
}

/// The store of these tests does not heed it; Google's does.
#[test]
fn a_removal_names_the_generation_that_was_listed() {
    let (store, bucket) = store();
    on_a_runtime(async {
        bucket.write(&name("d/a"), b"old").await.unwrap();
        let present = bucket.present(&name("d")).await.unwrap();
        bucket.remove(&name("d/a"), &present).await.unwrap();
        bucket.write(&name("d/a"), b"new").await.unwrap();
        bucket.remove(&name("d/a"), &present).await.unwrap();
    });
    let requests = store.proxy().requests().into_iter();
    let removals: Vec<String> = requests.filter(|line| line.starts_with("DELETE")).collect();
    assert_eq!(removals.len(), 2);
    assert_eq!(removals[0], removals[1]);
    let (_, generation) = removals[0].split_once("ifGenerationMatch=").unwrap();
    assert!(generation.starts_with(|digit: char| ('1'..='9').contains(&digit)));
}

#[test]
fn an_alias_holds_its_target_as_metadata_too() {
    let (store, bucket) = store();
    let target = "gs://bucket/pr-logs/pull/o_r/12/e2e/7";
    on_a_runtime(async {
        let alias = name("pr-logs/directory/e2e/7.txt");
        bucket.write(&alias, target.as_bytes()).await.unwrap();
        let latest = name("pr-logs/directory/e2e/latest-build.txt");
        bucket.write(&latest, b"7").await.unwrap();
    });
    let objects = store.objects("bucket", "pr-logs/directory/");
    let links: Vec<_> = objects
        .iter()
        .map(|it| it.metadata("x-goog-meta-link"))
        .collect();
    assert_eq!(links, [Some(target), None]);
}

#[test]
fn text_is_stored_compressed_and_read_as_it_was() {
    let (store, bucket) = store();
    let text = b"a line of a log\n".repeat(100_000);
    on_a_runtime(async {
        let sent = sync(&bucket, "d/a.log", &text).await.unwrap().unwrap();
        assert_eq!(sent.size, text.len() as u64);
        assert!(sent.stored < sent.size / 10);
        assert_eq!(bucket.read(&name("d/a.log")).await.unwrap().unwrap(), text);
        let reader = bucket.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut read = Vec::new();
            let mut reader = reader.open_blocking(&name("d/a.log")).unwrap();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        assert_eq!(read.await.unwrap(), text);
    });
    assert!(
        store
            .read("bucket", "d/a.log")
            .unwrap()
            .starts_with(&[0x1f, 0x8b])
    );
}

#[test]
fn a_reader_of_an_object_that_is_not_there_hears_so() {
    let (_store, bucket) = store();
    let asked = bucket.clone();
    let opened = on_a_runtime(async {
        let opened = tokio::task::spawn_blocking(move || asked.open_blocking(&name("no")).err());
        opened.await.unwrap()
    });
    assert!(opened.unwrap().report().contains("there is no such object"));
}

#[test]
fn refusals_that_pass_are_sat_out() {
    let (store, bucket) = store();
    let faults = [
        Fault::unavailable(),
        Fault::too_many_requests(1),
        Fault::Close,
        Fault::CutUploadAfter(300),
    ];
    store.proxy().on(UPLOAD, faults);
    on_a_runtime(sync(&bucket, "a.bin", &pattern(5000))).unwrap();
    assert_eq!(store.read("bucket", "a.bin").unwrap(), pattern(5000));
}

#[test]
fn an_answer_that_is_lost_does_not_make_the_upload_fail_or_count_twice() {
    let (store, bucket) = store();
    store.proxy().on(UPLOAD, [Fault::lost_answer()]);
    on_a_runtime(sync(&bucket, "a.bin", b"content")).unwrap();
    let first = store.objects("bucket", "a.bin");
    assert_eq!(store.read("bucket", "a.bin").unwrap(), b"content");
    // The second attempt named generation 0, and the store refused it.
    let uploads = store.proxy().requests().into_iter();
    assert_eq!(uploads.filter(|line| line.contains("/upload/")).count(), 2);
    assert_eq!(first.len(), 1);
}

#[test]
fn a_large_upload_that_is_cut_goes_on() {
    let (store, bucket) = store();
    let content = pattern(9 * 1024 * 1024);
    store.proxy().on(
        &["PUT", "/upload/"],
        [Fault::CutUploadAfter(3_000_000), Fault::lost_answer()],
    );
    on_a_runtime(sync(&bucket, "large.bin", &content)).unwrap();
    assert!(store.read("bucket", "large.bin").unwrap() == content);
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_was() {
    let (store, bucket) = store();
    let content = pattern(3_000_000);
    store.write("bucket", "a.bin", &content);
    let faults = [Fault::CutAfter(1_000_000), Fault::CutAfter(500_000)];
    store.proxy().on(&["GET", "alt=media"], faults);
    let read = on_a_runtime(bucket.read(&name("a.bin"))).unwrap().unwrap();
    assert!(read == content);
}

#[test]
fn a_store_that_stays_away_is_unavailable_when_the_time_is_up() {
    let (mut store, bucket) = store();
    store.stop();
    let start = Instant::now();
    let bucket = bucket.until(start + Duration::from_secs(1));
    let error = on_a_runtime(bucket.write(&name("a"), b"x")).unwrap_err();
    assert_eq!(error.exit(), Exit::Unavailable);
    assert!(
        error.report().starts_with("write gs://bucket/a: "),
        "{}",
        error.report()
    );
}

#[test]
fn a_missing_right_names_bucket_identity_and_role() {
    let (store, bucket) = store();
    store.proxy().on(UPLOAD, [Fault::forbidden()]);
    let error = on_a_runtime(bucket.write(&name("a"), b"x")).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    let report = error.report();
    for part in [
        "gs://bucket",
        "403",
        "anonymous",
        "roles/storage.objectUser",
    ] {
        assert!(report.contains(part), "{report}");
    }
    store.proxy().on(&["GET", "prefix="], [Fault::forbidden()]);
    let error = on_a_runtime(bucket.list(&name("a"))).unwrap_err();
    assert!(error.report().contains("roles/storage.objectViewer"));
}

#[test]
fn a_bucket_that_is_not_there_is_wrong_usage() {
    let (store, _) = store();
    let env: Env = [("STORAGE_EMULATOR_HOST", store.url())]
        .into_iter()
        .collect();
    let bucket = Bucket::parse("gs://no-such-bucket", &env).unwrap();
    let error = on_a_runtime(bucket.write(&name("a"), b"x")).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(
        error
            .report()
            .contains("is there a bucket gs://no-such-bucket")
    );
}

#[test]
fn another_writer_in_between_is_followed() {
    let (store, bucket) = store();
    on_a_runtime(async {
        bucket.write(&name("d/a.bin"), b"first").await.unwrap();
        let present = bucket.present(&name("d")).await.unwrap();
        store.write("bucket", "d/a.bin", b"somebody else's");
        let attributes = Attributes {
            encoding: Encoding::Plain,
            ..Attributes::default()
        };
        let object = name("d/a.bin");
        let sent = bucket.sync(&object, file(b"ours"), &attributes, &present);
        assert!(sent.await.unwrap().is_some());
    });
    assert_eq!(store.read("bucket", "d/a.bin").unwrap(), b"ours");
}

#[test]
fn a_very_large_file_is_sent_in_parts_and_nothing_of_them_stays() {
    let (store, _) = store();
    let env: Env = [("STORAGE_EMULATOR_HOST", store.direct_url())]
        .into_iter()
        .collect();
    let bucket = Bucket::parse("gs://bucket", &env).unwrap();
    // All but its ends is a hole, which takes no room on this machine's disk.
    let size = 256 * 1024 * 1024 + 1;
    let file = tempfile::tempfile().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", size - 3).unwrap();
    let sent = on_a_runtime(async {
        let attributes = Attributes::default();
        let present = Present::default();
        bucket
            .sync(&name("d/core"), file, &attributes, &present)
            .await
    });
    assert_eq!(sent.unwrap().unwrap().size, size);
    let objects = store.objects("bucket", "");
    let names: Vec<&str> = objects.iter().map(e2e::StoredObject::name).collect();
    assert_eq!(names, ["d/core"]);
    assert_eq!(objects[0].size(), size);
    assert!(
        store
            .read("bucket", "d/core")
            .unwrap()
            .ends_with(b"\0\0end")
    );
}

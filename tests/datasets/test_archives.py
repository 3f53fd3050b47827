import dataclasses
import email.message
import errno
import hashlib
import http.client
import io
import os
import stat
import urllib.request
import urllib.response
import zipfile

import pytest

from datasets import InputError, MachineError, archives, durable
from datasets.archives import Archive, download, extract, find, https_opener

MEMBER = "data.csv"
URL = "https://publisher.example/data.zip"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members or {MEMBER: b"user_id,item_id\n1,2\n"}).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def entry(url: str = URL, sha256: str | None = None) -> Archive:
    return Archive("data.zip", url, MEMBER, sha256, licence="a licence", citation="a citation")


class Publisher(urllib.request.HTTPSHandler):
    """Answers HTTPS requests from a table of (status, headers, body file) instead of the network."""

    handler_order = 400  # before the real one

    def __init__(self, **pages):
        super().__init__()
        self.pages = pages
        self.asked = []

    def https_open(self, req):
        self.asked.append(req.full_url)
        status, headers, body = self.pages[req.full_url.rsplit("/", 1)[1].partition(".")[0]]
        message = email.message.Message()
        for name, value in headers.items():
            message[name] = value
        response = urllib.response.addinfourl(body, message, req.full_url, status)
        response.msg = http.client.responses[status]
        return response


def page(content: bytes, **headers: str):
    return 200, {"Content-Length": str(len(content))} | headers, io.BytesIO(content)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RECALLBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RECALLBENCH_DATA", raising=False)
    return tmp_path / "cache"


def left_behind():
    return [path.name for path in archives.downloads().rglob("*")] if archives.downloads().exists() else []


class TestDownload:
    def test_a_download_is_whole_and_found_again(self):
        content = zipped()
        path = download(
            entry(sha256=hashlib.sha256(content).hexdigest()), opener=https_opener(Publisher(data=page(content)))
        )
        assert path.read_bytes() == content
        assert find(["data.zip"], None) == path
        assert left_behind() == ["data.zip"]

    def test_an_https_redirection_is_followed(self):
        publisher = Publisher(
            data=(302, {"Location": "https://mirror.example/moved.zip"}, io.BytesIO()), moved=page(zipped())
        )
        assert download(entry(), opener=https_opener(publisher)).exists()
        assert publisher.asked == [URL, "https://mirror.example/moved.zip"]

    @pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
    def test_other_schemes_are_refused(self, scheme, monkeypatch):
        # A proxy for plain HTTP must not open a way round.
        monkeypatch.setenv("http_proxy", "https://proxy.example:1")
        publisher = Publisher()
        with pytest.raises(InputError, match=f"{scheme}://publisher.example/data.zip is not an HTTPS address"):
            download(entry(f"{scheme}://publisher.example/data.zip"), opener=https_opener(publisher))
        assert publisher.asked == []
        assert left_behind() == []

    def test_a_redirection_to_http_is_refused(self):
        publisher = Publisher(data=(302, {"Location": "http://mirror.example/moved.zip"}, io.BytesIO()))
        with pytest.raises(InputError, match=r"http://mirror.example/moved.zip is not an HTTPS address"):
            download(entry(), opener=https_opener(publisher))
        assert left_behind() == []

    def test_a_wrong_checksum_is_refused(self):
        with pytest.raises(
            InputError, match=r"has SHA-256 [0-9a-f]{64}, but 0{64} was expected: try again, or put data.zip"
        ):
            download(entry(sha256="0" * 64), opener=https_opener(Publisher(data=page(zipped()))))
        assert left_behind() == []

    def test_a_wrong_md5_is_refused_where_no_more_is_known(self):
        content = zipped()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        right, wrong = (dataclasses.replace(entry(), md5=stated) for stated in (md5, "0" * 32))
        assert download(right, opener=https_opener(Publisher(data=page(content)))).read_bytes() == content
        with pytest.raises(InputError, match=rf"has MD5 {md5}, but 0{{32}} was expected: try again, or put data.zip"):
            download(wrong, opener=https_opener(Publisher(data=page(content))))
        assert left_behind() == ["data.zip"]

    @pytest.mark.parametrize("content", [b"<html>sign in to the network</html>", zipped(other=b"")])
    def test_without_a_checksum_the_kind_is_still_checked(self, content):
        with pytest.raises(InputError, match=r"is not a whole zip archive|holds 'other', but 'data.csv' was expected"):
            download(entry(), opener=https_opener(Publisher(data=page(content))))
        assert left_behind() == []

    def test_a_truncated_transfer_is_refused(self):
        content = zipped()
        status, headers, _ = page(content)
        publisher = Publisher(data=(status, headers, io.BytesIO(content[:-5])))
        with pytest.raises(InputError, match=f"{len(content) - 5} of {len(content)} bytes arrived"):
            download(entry(), opener=https_opener(publisher))
        assert left_behind() == []

    def test_an_endless_body_is_cut(self, monkeypatch):
        monkeypatch.setattr(archives, "LIMIT_BYTES", 1000)
        publisher = Publisher(data=(200, {}, io.BytesIO(b"x" * 5000)))
        with pytest.raises(InputError, match="larger than the limit of 1,000 bytes"):
            download(entry(), opener=https_opener(publisher))
        assert left_behind() == []

    @pytest.mark.parametrize(
        "interruption", [KeyboardInterrupt(), ConnectionResetError("reset"), http.client.IncompleteRead(b"")]
    )
    def test_an_interruption_leaves_nothing(self, interruption):
        class Body(io.BytesIO):
            reads = 0

            def read1(self, *_size):
                self.reads += 1
                if self.reads > 1:
                    raise interruption
                return b"some"

        with pytest.raises((InputError, KeyboardInterrupt)):
            download(entry(), opener=https_opener(Publisher(data=(200, {}, Body()))))
        assert left_behind() == []

    def test_a_drip_ends(self, monkeypatch):
        """A byte now and then resets every limit but that of the whole."""
        clock = iter(range(0, 10**6, 600))
        monkeypatch.setattr(archives.time, "monotonic", lambda: next(clock))

        class Drip(io.BytesIO):
            def read1(self, *_size):
                return b"x"

        with pytest.raises(InputError, match=r"could not be downloaded .it takes longer than 3,600 s.: try again"):
            download(entry(), opener=https_opener(Publisher(data=(200, {}, Drip()))))
        assert left_behind() == []
        assert next(clock) < 10_000

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
    def test_a_full_disk_is_the_machines_fault(self, monkeypatch, number):
        def full(_descriptor):
            raise OSError(number, os.strerror(number))

        content = zipped()
        path = download(entry(), opener=https_opener(Publisher(data=page(content))))
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(
            MachineError, match=rf"cannot be written to .*{os.strerror(number)}.*RECALLBENCH_CACHE"
        ) as error:
            download(entry(), opener=https_opener(Publisher(data=page(zipped(**{MEMBER: b"new"})))))
        assert "\n" not in str(error.value)
        assert path.read_bytes() == content
        assert left_behind() == ["data.zip"]

    @pytest.mark.parametrize("folder", ["", "/dev/null", "/proc/none"], ids=["a file", "a device", "where none can be"])
    def test_a_cache_folder_that_cannot_be_is_the_machines_fault_and_named(self, cache_folder, monkeypatch, folder):
        cache_folder.write_text("")
        monkeypatch.setenv("RECALLBENCH_CACHE", folder or str(cache_folder))
        with pytest.raises(
            MachineError, match=rf"cannot be written to {folder or cache_folder}/downloads .*RECALLBENCH"
        ):
            download(entry(), opener=https_opener(Publisher(data=page(zipped()))))

    def test_an_earlier_download_survives_a_failed_one(self):
        content = zipped()
        path = download(entry(), opener=https_opener(Publisher(data=page(content))))
        with pytest.raises(InputError):
            download(entry(), opener=https_opener(Publisher(data=page(b"broken"))))
        assert path.read_bytes() == content

    def test_an_http_error_says_what_to_do(self):
        publisher = Publisher(data=(404, {}, io.BytesIO()))
        with pytest.raises(InputError, match=f"{URL} could not be downloaded .*404.*: try again, or put data.zip into"):
            download(entry(), opener=https_opener(publisher))

    def test_the_terms_are_shown_once(self, capsys):
        for shown in (1, 0):
            download(entry(), opener=https_opener(Publisher(data=page(zipped()))))
            err = capsys.readouterr().err
            assert err.count("licence: a licence") == shown
            assert err.count("cite: a citation") == shown

    def test_progress_is_one_line_off_a_terminal_and_can_be_silent(self, capsys):
        for progress in (True, False):
            download(entry(), progress=progress, opener=https_opener(Publisher(data=page(zipped()))))
            err = capsys.readouterr().err
            assert err.count(f"downloading {URL}\n") == progress
            assert "%" not in err

    def test_the_real_opener_speaks_https_only(self):
        schemes = set(https_opener().handle_open)
        assert schemes == {"https", "unknown"}


class TestFind:
    def test_the_given_folder_comes_before_the_downloads(self, tmp_path, monkeypatch):
        archives.downloads().mkdir(parents=True)
        downloaded = archives.downloads() / "a.zip"
        downloaded.touch()
        (tmp_path / "given").mkdir()
        assert find(["a.zip", "b.csv"], tmp_path / "given") == downloaded
        local = tmp_path / "given" / "b.csv"
        local.touch()
        assert find(["a.zip", "b.csv"], tmp_path / "given") == local
        monkeypatch.setenv("RECALLBENCH_DATA", str(tmp_path / "given"))
        assert find(["a.zip", "b.csv"], None) == local
        assert find(["a.zip", "b.csv"], archives.downloads()) == downloaded

    def test_what_a_killed_download_left_is_swept(self, tmp_path):
        unfinished = archives.downloads() / f"{durable.PREFIX}dead"
        unfinished.mkdir(parents=True)
        (unfinished / "a.zip").write_bytes(b"half")
        assert find(["a.zip"], tmp_path) is None
        assert left_behind() == []

    def test_a_folder_without_permission_is_the_machines_fault(self, tmp_path, monkeypatch):
        def denied(_path):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(archives.Path, "is_file", denied)
        with pytest.raises(MachineError, match=r"a\.zip cannot be read .Permission denied"):
            find(["a.zip"], tmp_path)

    def test_nothing_found(self, tmp_path):
        (tmp_path / "a.zip").mkdir()
        assert find(["a.zip"], tmp_path) is None
        assert find(["a.zip"], None) is None

    def test_a_data_folder_that_is_a_file(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=r"data folder '.*file' does not exist: give an existing folder"):
            find(["a.zip"], tmp_path / "file")


class TestExtract:
    def test_the_member_and_nothing_on_disk(self, tmp_path):
        hostile = {"../../evil.csv": b"evil", "/absolute/evil.csv": b"evil", "..\\evil.csv": b"evil", MEMBER: b"good"}
        path = tmp_path / "data.zip"
        path.write_bytes(zipped(**hostile))
        before = sorted(tmp_path.parent.rglob("*"))
        assert extract(path, MEMBER) == b"good"
        assert sorted(tmp_path.parent.rglob("*")) == before

    def test_a_link_is_refused(self, tmp_path):
        link = zipfile.ZipInfo(MEMBER)
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
            archive.writestr(link, "/etc/passwd")
        with pytest.raises(InputError, match=r"'data.csv' in .*data.zip is a link"):
            extract(tmp_path / "data.zip", MEMBER)

    def test_a_bomb_is_refused_unopened(self, tmp_path, monkeypatch):
        monkeypatch.setattr(archives, "LIMIT_BYTES", 100_000)
        path = tmp_path / "data.zip"
        path.write_bytes(zipped(**{MEMBER: bytes(100_001)}))
        assert path.stat().st_size < 1000
        with pytest.raises(InputError, match="unpacks to 100,001 bytes, more than the limit of 100,000"):
            extract(path, MEMBER)

    def test_a_bomb_that_lies_about_its_size_is_refused(self, tmp_path):
        content = zipped(**{MEMBER: bytes(200_000)})
        path = tmp_path / "data.zip"
        path.write_bytes(content.replace((200_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
        with pytest.raises(InputError, match=r"is not a whole zip archive .*CRC"):
            extract(path, MEMBER)

    @pytest.mark.parametrize("damage", [lambda c: c[:-30], lambda c: c[:40], lambda _: b"", lambda _: b"plain text"])
    def test_a_truncated_or_foreign_file(self, damage, tmp_path):
        path = tmp_path / "data.zip"
        path.write_bytes(damage(zipped()))
        with pytest.raises(InputError, match=r"data.zip is not a whole zip archive .*: download it again"):
            extract(path, MEMBER)

    @pytest.mark.parametrize("at", [38, 45], ids=["unreadable", "readable"])
    def test_a_flipped_byte_in_the_compressed_data(self, tmp_path, at):
        content = bytearray(zipped(**{MEMBER: b"user_id,item_id\n" * 9}))
        content[at] ^= 0xFF
        (tmp_path / "data.zip").write_bytes(content)
        with pytest.raises(InputError, match="is not a whole zip archive"):
            extract(tmp_path / "data.zip", MEMBER)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_methods_that_unpack_in_one_go(self, tmp_path, method):
        with zipfile.ZipFile(tmp_path / "data.zip", "w", method) as archive:
            archive.writestr(MEMBER, bytes(1_000))
        with pytest.raises(InputError, match=rf"is compressed by method {method}, but deflate \(8\) was expected"):
            extract(tmp_path / "data.zip", MEMBER)

    def test_an_encrypted_member(self, tmp_path):
        content = zipped().replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00")
        content = content.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")
        (tmp_path / "data.zip").write_bytes(content)
        with pytest.raises(InputError, match=r"is not a whole zip archive .*encrypted"):
            extract(tmp_path / "data.zip", MEMBER)

    def test_the_wrong_archive_names_what_it_holds(self, tmp_path):
        (tmp_path / "data.zip").write_bytes(zipped(**{"ratings.dat": b"", "users.dat": b""}))
        with pytest.raises(InputError, match=r"holds 'ratings.dat', 'users.dat', but 'data.csv' was expected"):
            extract(tmp_path / "data.zip", MEMBER)

"""Archives that documents come in (Word, e-books), read within bounds; and XML without its dangers.

What an archive says of its sizes is not believed: what it unpacks to is counted.
"""

import io
import posixpath
import zipfile
from xml.etree.ElementTree import Element, ParseError

from rag.errors import DocumentError

MAX_UNPACKED = 128 * 1024 * 1024  # bytes, of all the files that are read from one archive
MAX_FILES = 20_000
_PART = 1 << 20


class Archive:
    """The files of a zip archive."""

    def __init__(self, data: bytes, source: str) -> None:
        """Open the archive.

        Raises:
            DocumentError: It is none, is damaged, or holds too many files.
        """
        self._source = source
        self._left = MAX_UNPACKED
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self.names = {info.filename: info for info in self._zip.infolist()}
        except Exception as error:
            raise damaged(source, "it is no zip archive, or was cut short", "它不是完整的压缩包") from error
        if len(self.names) > MAX_FILES:
            raise damaged(source, f"it holds {len(self.names):,} files", f"其中有 {len(self.names):,} 个文件")

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            DocumentError: It is missing, locked or damaged, or too much was unpacked.
        """
        info = self.names.get(name)
        if info is None:
            raise damaged(self._source, f"it holds no {name!r}", f"其中缺少 {name!r}")
        if info.flag_bits & 0x1:
            raise locked(self._source)
        parts: list[bytes] = []
        try:
            with self._zip.open(info) as file:
                while part := file.read(_PART):
                    parts.append(part)
                    self._left -= len(part)
                    if self._left < 0:
                        raise DocumentError(
                            f"{self._source} unpacks to more than {MAX_UNPACKED >> 20} MB. Split it into parts.",
                            f"{self._source} 解压后超过 {MAX_UNPACKED >> 20} MB。请拆成几份再添加。",
                        )
        except DocumentError:
            raise
        except Exception as error:  # zlib's, zipfile's and those of the codecs under it
            raise damaged(self._source, f"{name!r} in it cannot be unpacked", f"其中的 {name!r} 无法解压") from error
        return b"".join(parts)

    def read_xml(self, name: str) -> Element:
        """Return the root of an XML file; see `parse_xml`.

        Raises:
            DocumentError: As of `read`, or it is no XML.
        """
        return parse_xml(self.read(name), name, self._source)


def parse_xml(data: bytes, name: str, source: str) -> Element:
    """Parse XML that declares no document type: so it holds no entities, and reaches for nothing outside.

    Args:
        data: The bytes of the file.
        name: Its name in the archive, for the error.
        source: The archive's name, for the error.

    Raises:
        DocumentError: It is no XML, or declares entities.
    """
    import defusedxml.ElementTree
    from defusedxml import DefusedXmlException

    try:
        root: Element = defusedxml.ElementTree.fromstring(data, forbid_dtd=False)
    except DefusedXmlException:
        raise damaged(source, f"{name!r} in it declares entities", f"其中的 {name!r} 声明了实体") from None
    except (ParseError, ValueError, LookupError) as error:
        raise damaged(source, f"{name!r} in it is no XML", f"其中的 {name!r} 不是有效的 XML") from error
    return root


def tag_of(element: Element) -> str:
    """Return an element's name without its namespace; "" for what is no element."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def found(root: Element, tag: str) -> list[Element]:
    """Return all elements of a name, whatever their namespace."""
    return [element for element in root.iter() if tag_of(element) == tag]


def path_within(folder: str, reference: str) -> str:
    """Return the name in the archive of what a file in `folder` refers to."""
    return posixpath.normpath(posixpath.join(folder, reference)).lstrip("/")


def damaged(source: str, why: str, chinese: str) -> DocumentError:
    """Return the error for a damaged archive."""
    return DocumentError(
        f"{source} is damaged: {why}. Save or download it again.",
        f"{source} 已损坏：{chinese}。请重新保存或下载。",
    )


def locked(source: str) -> DocumentError:
    """Return the error for a file that only opens with a password."""
    return DocumentError(
        f"{source} is locked with a password. Save a copy without one, then add that.",
        f"{source} 有密码保护。请另存一份没有密码的再添加。",
    )

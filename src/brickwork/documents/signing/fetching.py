"""OCSP responses, CRLs and issuers' certificates from where certificates say they are."""

from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

from asn1crypto import cms, crl, ocsp, pem, x509
from pyhanko_certvalidator import errors
from pyhanko_certvalidator.authority import Authority
from pyhanko_certvalidator.fetchers import CertificateFetcher, CRLFetcher, Fetchers, OCSPFetcher
from pyhanko_certvalidator.fetchers.common_utils import (
    enumerate_delivery_point_urls,
    format_ocsp_request,
    gather_aia_issuer_urls,
    process_ocsp_response_data,
    unpack_cert_content,
)
from pyhanko_certvalidator.util import get_ocsp_urls, get_relevant_crl_dps, issuer_serial

from brickwork.documents.signing.http import Http, HttpFailure

_OCSP = {"content-type": "application/ocsp-request", "accept": "application/ocsp-response"}
_NAMED = 4


class Line:
    """The calls of one validation: so many in all, and each place asked once."""

    def __init__(self, http: Http, most: int) -> None:
        self._http = http
        self._left = most
        self._failed: dict[str, str] = {}

    def call(self, method: str, url: str, headers: dict[str, str], content: bytes = b"") -> bytes:
        """The content of the answer. Raises `HttpFailure`."""
        if url in self._failed:
            raise HttpFailure(self._failed[url])
        if self._left <= 0:
            raise HttpFailure("too many calls for one document")
        self._left -= 1
        try:
            return self._http.call(method, url, headers, content)
        except HttpFailure as failure:
            self._failed[url] = str(failure)
            raise


def make_fetchers(http: Http, most: int) -> Fetchers:
    """Fetchers for one validation, which remember what they got."""
    line = Line(http, most)
    return Fetchers(ocsp_fetcher=_Ocsp(line), crl_fetcher=_Crls(line), cert_fetcher=_Certificates(line))


def _first(urls: Iterable[str], ask: Callable[[str], Any], failure: type[Exception], what: str) -> Any:
    told = f"no address for {what}"
    for url in list(urls)[:_NAMED]:
        try:
            return ask(url)
        except (HttpFailure, ValueError, TypeError, errors.OCSPValidationError) as error:
            told = f"{what}: {error}"
    raise failure(told)


class _Ocsp(OCSPFetcher):
    def __init__(self, line: Line) -> None:
        self._line = line
        self._found: dict[Any, ocsp.OCSPResponse] = {}

    async def fetch(self, cert: "x509.Certificate | cms.AttributeCertificateV2", authority: Authority) -> ocsp.OCSPResponse:
        tag = (issuer_serial(cert), authority.hashable)
        if tag not in self._found:
            # RFC 5019: the digest in a request only names the issuer
            request = format_ocsp_request(cert, authority, certid_hash_algo="sha1", request_nonces=True)

            def ask(url: str) -> ocsp.OCSPResponse:
                answer = self._line.call("POST", url, _OCSP, request.dump())
                return process_ocsp_response_data(answer, ocsp_request=request, ocsp_url="the responder")

            self._found[tag] = _first(get_ocsp_urls(cert), ask, errors.OCSPFetchError, "the OCSP responder")
        return self._found[tag]

    def fetched_responses(self) -> Iterable[ocsp.OCSPResponse]:
        return list(self._found.values())

    def fetched_responses_for_cert(self, cert: "x509.Certificate | cms.AttributeCertificateV2") -> Iterable[ocsp.OCSPResponse]:
        return [found for (whose, _), found in self._found.items() if whose == issuer_serial(cert)]


class _Crls(CRLFetcher):
    def __init__(self, line: Line) -> None:
        self._line = line
        self._lists: dict[str, crl.CertificateList] = {}
        self._by_certificate: dict[Any, list[crl.CertificateList]] = {}

    async def fetch(
        self, cert: "x509.Certificate | cms.AttributeCertificateV2", *, use_deltas: bool | None = None
    ) -> Iterable[crl.CertificateList]:
        tag = issuer_serial(cert)
        if tag not in self._by_certificate:
            points = get_relevant_crl_dps(cert, use_deltas=bool(use_deltas))
            found = []
            for point in points:
                urls = list(enumerate_delivery_point_urls(point))
                if urls:
                    found.append(_first(urls, self._list, errors.CRLFetchError, "the CRL"))
            self._by_certificate[tag] = found
        return self._by_certificate[tag]

    def _list(self, url: str) -> crl.CertificateList:
        if url not in self._lists:
            data = self._line.call("GET", url, {"accept": "application/pkix-crl"})
            if pem.detect(data):
                _, _, data = pem.unarmor(data)
            found = crl.CertificateList.load(data)
            _ = found.issuer  # asn1crypto parses late
            self._lists[url] = found
        return self._lists[url]

    def fetched_crls(self) -> Iterable[crl.CertificateList]:
        return list(self._lists.values())

    def fetched_crls_for_cert(self, cert: "x509.Certificate | cms.AttributeCertificateV2") -> Iterable[crl.CertificateList]:
        return self._by_certificate[issuer_serial(cert)]


class _Certificates(CertificateFetcher):
    def __init__(self, line: Line) -> None:
        self._line = line
        self._found: dict[str, list[x509.Certificate]] = {}

    def fetch_cert_issuers(self, cert: "x509.Certificate | cms.AttributeCertificateV2") -> AsyncGenerator[x509.Certificate, None]:
        return self._fetch(gather_aia_issuer_urls(cert))

    def fetch_crl_issuers(self, certificate_list: crl.CertificateList) -> AsyncGenerator[x509.Certificate, None]:
        return self._fetch(certificate_list.issuer_cert_urls)

    async def _fetch(self, urls: Iterable[str]) -> AsyncGenerator[x509.Certificate, None]:
        for url in list(urls)[:_NAMED]:
            if url not in self._found:
                try:
                    data = self._line.call("GET", url, {"accept": "application/pkix-cert, application/pkcs7-mime"})
                    self._found[url] = list(unpack_cert_content(data, None, url, True))
                except (HttpFailure, ValueError, TypeError, errors.CertificateFetchError):
                    self._found[url] = []  # there may be another way to a root
            for one in self._found[url]:
                yield one

    def fetched_certs(self) -> Iterable[x509.Certificate]:
        return [one for found in self._found.values() for one in found]

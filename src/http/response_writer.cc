#include "http/response_writer.h"

#include <boost/beast/http/status.hpp>
#include <charconv>

namespace tributary::http {
namespace {

void AppendNumber(std::string& out, std::size_t number, int base = 10) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
  out.append(digits, end);
}

void AppendClean(std::string& out, std::string_view text) {
  const std::size_t from = out.size();
  out += text;
  for (std::size_t i = from; i < out.size(); ++i) {
    const auto c = static_cast<unsigned char>(out[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7F) out[i] = ' ';
  }
}

void AppendHead(std::string& out, const Response& response, bool close) {
  out += "HTTP/1.1 ";
  AppendNumber(out, static_cast<std::size_t>(response.status));
  out += ' ';
  const auto reason = boost::beast::http::obsolete_reason(
      boost::beast::http::int_to_status(static_cast<unsigned>(response.status)));
  out.append(reason.data(), reason.size());
  out += "\r\n";
  for (const auto& [name, value] : response.headers) {
    AppendClean(out, name);
    out += ": ";
    AppendClean(out, value);
    out += "\r\n";
  }
  if (close) out += "Connection: close\r\n";
}

bool HasNoBody(int status) {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace

void AppendResponse(std::string& out, const Response& response, WriteMode mode) {
  AppendHead(out, response, mode.close);
  if (!HasNoBody(response.status)) {
    out += "Content-Length: ";
    AppendNumber(out, response.body.size());
    out += "\r\n";
  }
  out += "\r\n";
  if (!mode.head_only && !HasNoBody(response.status)) out += response.body;
}

void AppendCanned(std::string& out, std::string_view bytes, WriteMode mode) {
  if (mode.close) {
    const std::size_t status_line = bytes.find("\r\n") + 2;
    out += bytes.substr(0, status_line);
    out += "Connection: close\r\n";
    bytes.remove_prefix(status_line);
  }
  if (mode.head_only) bytes = bytes.substr(0, bytes.find("\r\n\r\n") + 4);
  out += bytes;
}

void AppendStreamHead(std::string& out, const Response& head, WriteMode mode) {
  AppendHead(out, head, mode.close || !mode.http11);
  if (mode.http11) out += "Transfer-Encoding: chunked\r\n";
  out += "\r\n";
}

void AppendChunk(std::string& out, std::string_view piece, WriteMode mode) {
  if (piece.empty() || mode.head_only) return;  // an empty chunk would be the end
  if (mode.http11) {
    AppendNumber(out, piece.size(), 16);
    out += "\r\n";
  }
  out += piece;
  if (mode.http11) out += "\r\n";
}

void AppendStreamEnd(std::string& out, WriteMode mode) {
  if (mode.http11 && !mode.head_only) out += "0\r\n\r\n";
}

}  // namespace tributary::http

// FORMAT.md is the format: its worked example is what the log writes, byte for byte.
#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "log/active_segment.h"
#include "log/block.h"
#include "sim/log_rig.h"

namespace tributary::log {
namespace {

// Chance that always says the same, so that the segment id of the example is readable.
class FixedRandom final : public os::Random {
 public:
  void Fill(std::span<unsigned char> out) override { std::ranges::fill(out, 0x5E); }
};

std::string PageText() {
  std::ifstream page(TRIBUTARY_LOG_FORMAT_PAGE);
  std::stringstream text;
  text << page.rdbuf();
  return text.str();
}

// Sixteen bytes a line, as the page shows them. Lines of zeros are left out.
std::string HexDump(std::string_view bytes, std::size_t from, std::size_t to) {
  std::string text;
  for (std::size_t at = from; at < to; at += 16) {
    const std::string_view line = bytes.substr(at, std::min<std::size_t>(16, to - at));
    if (line.find_first_not_of('\0') == std::string_view::npos) continue;
    std::string hex, ascii;
    for (const char c : line) {
      hex += ToHex(std::string_view(&c, 1)) + " ";
      ascii += c >= ' ' && c < 0x7F ? c : '.';
    }
    text += fmt::format("{:04x}", at) + "  " + hex + std::string(48 - 3 * line.size(), ' ') + " " +
            ascii + "\n";
  }
  return text;
}

// The log of the example: one batch of one record, then a clean close.
std::string ExampleSegment() {
  sim::LogRig rig;
  FixedRandom random;
  auto log = SegmentedLog::Open({&rig.fs(), &rig.clock, &random}, rig.options);
  EXPECT_TRUE(log);
  auto batch = std::make_unique<Batch>();
  RecordFields fields;
  fields.received_at_us = 1'790'000'001'000'000;
  fields.event_time_us = 1'790'000'000'999'000;
  fields.source = 1;
  fields.type = EventType::kTrack;
  fields.key = "anon-1";
  fields.name = "Order Completed";
  fields.message_id = "msg-1";
  EXPECT_TRUE(batch->Add(fields, "{\"event\":\"Order Completed\"}"));
  EXPECT_TRUE((*log)->Append(0, batch, [](const auto&) {}));
  (*log)->WriterStep();
  (*log)->Close();
  while ((*log)->WriterStep()) {
  }
  return rig.fs().Bytes("data/log/p0/00000000000000000000.seg");
}

TEST(Format, TheWorkedExampleIsWhatTheLogWrites) {
  const std::string bytes = ExampleSegment();
  const std::string page = PageText();
  ASSERT_FALSE(page.empty());
  const std::string header = HexDump(bytes, 0, 256);
  const std::string group = HexDump(bytes, 512, 1024);
  const std::string mark = HexDump(bytes, 1024, 1536);
  EXPECT_EQ(bytes.substr(0, 256), bytes.substr(256, 256)) << "the header stands there twice";
  EXPECT_EQ(bytes.find_first_not_of('\0', 1536), std::string::npos);
  for (const std::string& part : {header, group, mark}) {
    EXPECT_NE(page.find(part), std::string::npos) << "FORMAT.md should show:\n" << part;
  }
}

TEST(Format, BlockHeaderAndTrailerHaveTheSizesOfThePage) {
  BlockHeader block;
  block.first = 7;
  block.end = 9;
  block.records = 2;
  block.raw_bytes = 100;
  std::string bytes;
  block.codec = BlockCodec::kLz4;
  EncodeBlock(block, "compressed", 5, bytes);
  EXPECT_EQ(bytes.size(), kBlockHeaderBytes + 16);
  const auto decoded = DecodeBlockHeader(bytes, 5);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(bytes[7], 1) << "how it is compressed";
  EXPECT_EQ(decoded->codec, BlockCodec::kLz4);
  EXPECT_EQ(decoded->first, 7u);
  EXPECT_EQ(decoded->end, 9u);
  EXPECT_EQ(decoded->stored_bytes, 10u);
  EXPECT_FALSE(DecodeBlockHeader(bytes, 6)) << "another segment's seed";
  EXPECT_EQ(EncodeIndex({{1, 2, 3}}, {}, 5).size(), kIndexEntryBytes + kTrailerBytes);
}

TEST(Format, SegmentNamesSortLikeOffsetsAndStrangeOnesAreNotOurs) {
  EXPECT_EQ(SegmentStem(42), "00000000000000000042");
  EXPECT_EQ(ParseSegmentName("00000000000000000042.seg")->base, 42u);
  EXPECT_TRUE(ParseSegmentName("00000000000000000042.zseg")->compressed);
  for (const char* name : {"0000000000000000042.seg", "00000000000000000042.dup",
                           "0000000000000000004x.seg", "99999999999999999999.seg", "oldest", ""}) {
    EXPECT_FALSE(ParseSegmentName(name)) << name;
  }
}

}  // namespace
}  // namespace tributary::log

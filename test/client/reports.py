"""Read reports with the library that clients use: protobuf's own JSON mapping.

stdin: {"schema": base64 of a FileDescriptorProto, "reports": [JSON text]}; stdout: for each the text that the library writes
and the bytes that it serializes, base64.
"""
import base64
import json
import sys

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, json_format, message_factory, timestamp_pb2, wrappers_pb2

given = json.load(sys.stdin)
pool = descriptor_pool.DescriptorPool()
for module in (any_pb2, timestamp_pb2, wrappers_pb2):
    pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
pool.AddSerializedFile(base64.b64decode(given["schema"]))
Report = message_factory.GetMessageClass(pool.FindMessageTypeByName("dev.studio_go_runner.reports.Report"))
read = [json_format.Parse(text, Report()) for text in given["reports"]]
json.dump(
    [
        {
            "json": json_format.MessageToJson(report, descriptor_pool=pool),
            "bytes": base64.b64encode(report.SerializeToString()).decode(),
        }
        for report in read
    ],
    sys.stdout,
)

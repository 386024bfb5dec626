import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own client, for tests that compare ours with it. All that is bytes is base 64; nothing is "-".
 *
 * partitions N                       stdin: a key a line; stdout: the partition of each among N
 * read BOOTSTRAP TOPIC COUNT         stdout: of each record partition, key, value, then name=value of each header
 * write BOOTSTRAP TOPIC COMPRESSION  stdin: key, value, name=value of each header; stdout: the partition of each
 * producers BOOTSTRAP TOPIC PARTITION   stdout: how many idempotent producers the broker remembers there
 */
public final class Probe {
    private static final Duration POLL = Duration.ofSeconds(1);

    public static void main(String[] words) throws Exception {
        switch (words[0]) {
            case "partitions" -> partitions(Integer.parseInt(words[1]));
            case "read" -> read(words[1], words[2], Integer.parseInt(words[3]));
            case "write" -> write(words[1], words[2], words[3]);
            case "producers" -> producers(words[1], new TopicPartition(words[2], Integer.parseInt(words[3])));
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private static void partitions(int count) throws Exception {
        for (String line : lines()) {
            System.out.println(BuiltInPartitioner.partitionForKey(decoded(line), count));
        }
    }

    private static void read(String bootstrap, String topic, int count) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest");
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(config, bytes, bytes)) {
            List<TopicPartition> places = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition()))
                .collect(Collectors.toList());
            consumer.assign(places);
            consumer.seekToBeginning(places);
            int found = 0;
            while (found < count) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                    List<String> fields = new ArrayList<>(List.of(
                        Integer.toString(record.partition()), encoded(record.key()), encoded(record.value())));
                    for (Header header : record.headers()) {
                        fields.add(header.key() + "=" + encoded(header.value()));
                    }
                    System.out.println(String.join(" ", fields));
                    found++;
                }
            }
        }
    }

    private static void write(String bootstrap, String topic, String compression) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "compression.type", compression);
        var bytes = new ByteArraySerializer();
        try (var producer = new KafkaProducer<byte[], byte[]>(config, bytes, bytes)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String line : lines()) {
                String[] fields = line.split(" ");
                var record = new ProducerRecord<byte[], byte[]>(topic, decoded(fields[0]), decoded(fields[1]));
                for (String field : Arrays.asList(fields).subList(2, fields.length)) {
                    int end = field.indexOf('=');
                    record.headers().add(new RecordHeader(field.substring(0, end), decoded(field.substring(end + 1))));
                }
                sent.add(producer.send(record));
            }
            for (Future<RecordMetadata> one : sent) {
                System.out.println(one.get().partition());
            }
        }
    }

    private static void producers(String bootstrap, TopicPartition place) throws Exception {
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            var states = admin.describeProducers(List.of(place)).partitionResult(place).get();
            System.out.println(states.activeProducers().size());
        }
    }

    private static List<String> lines() throws Exception {
        try (var reader = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII))) {
            return reader.lines().collect(Collectors.toList());
        }
    }

    private static byte[] decoded(String text) {
        return text.equals("-") ? null : Base64.getDecoder().decode(text);
    }

    private static String encoded(byte[] bytes) {
        return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
    }
}
